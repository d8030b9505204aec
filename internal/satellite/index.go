package satellite

// Reflectance is one pixel: surface reflectance per band, 0..1.
type Reflectance struct {
	B02, B03, B04, B05, B08, B8A, B11 float64
}

// Indices returns the seven indices of a pixel in the order of IndexNames, and
// whether the pixel counts: one whose denominator is zero in any index must be
// masked. EVI is clamped to -1..1 and MSI capped at 3. It is the reference that
// the evalscript is tested against. Source: domain brief 2.2.
func Indices(r Reflectance) ([IndexCount]float64, bool) {
	ratios := [IndexCount][2]float64{
		{r.B08 - r.B04, r.B08 + r.B04},
		{r.B8A - r.B11, r.B8A + r.B11},
		{r.B08 - r.B05, r.B08 + r.B05},
		{2.5 * (r.B08 - r.B04), r.B08 + 6*r.B04 - 7.5*r.B02 + 1},
		{r.B11, r.B08},
		{1.5 * (r.B08 - r.B04), r.B08 + r.B04 + 0.5},
		{r.B08 - r.B03, r.B08 + r.B03},
	}
	var out [IndexCount]float64
	for i, ratio := range ratios {
		if ratio[1] == 0 {
			return [IndexCount]float64{}, false
		}
		out[i] = ratio[0] / ratio[1]
	}
	const evi, msi = 3, 4
	out[evi] = min(max(out[evi], -1), 1)
	out[msi] = min(out[msi], 3)
	return out, true
}
