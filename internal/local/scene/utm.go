package scene

import (
	"math"
	"math/cmplx"
)

// The WGS 84 ellipsoid and the conventions of UTM.
const (
	semiMajor    = 6378137.0
	flattening   = 1 / 298.257223563
	centralScale = 0.9996
	falseEasting = 500_000.0
	falseNorth   = 10_000_000.0
	third        = flattening / (2 - flattening) // the third flattening n
)

// Zone is one UTM zone; South selects the false northing of the southern hemisphere.
type Zone struct {
	Number int
	South  bool
}

// FromEPSG names the zone of the codes 32601..32660 (north) and 32701..32760 (south).
func FromEPSG(code int) (Zone, bool) {
	switch {
	case code > 32600 && code <= 32660:
		return Zone{Number: code - 32600}, true
	case code > 32700 && code <= 32760:
		return Zone{Number: code - 32700, South: true}, true
	}
	return Zone{}, false
}

// Near tells whether the longitude is close enough to the zone for the series to hold.
func (z Zone) Near(lon float64) bool {
	return math.Abs(wrap(lon-z.meridian())) <= 60
}

// Forward projects a geodetic position to easting and northing.
func (z Zone) Forward(lon, lat float64) (easting, northing float64) {
	// From the ellipsoid to the sphere with equal angles, across to the transverse cylinder, and then the correction
	// from the sphere to the ellipsoid.
	phi, lambda := radians(lat), radians(wrap(lon-z.meridian()))
	tau := math.Sinh(math.Atanh(math.Sin(phi)) - eccentricity()*math.Atanh(eccentricity()*math.Sin(phi)))
	sphere := complex(math.Atan2(tau, math.Cos(lambda)), math.Asinh(math.Sin(lambda)/math.Hypot(tau, math.Cos(lambda))))
	zeta := sphere + series(alpha(), sphere)
	return falseEasting + centralScale*rectifying()*imag(zeta), z.origin() + centralScale*rectifying()*real(zeta)
}

// Inverse is the position whose projection is (easting, northing).
func (z Zone) Inverse(easting, northing float64) (lon, lat float64) {
	// The same steps backwards; only the last one, to the geodetic latitude, has no closed form.
	zeta := complex((northing-z.origin())/(centralScale*rectifying()), (easting-falseEasting)/(centralScale*rectifying()))
	sphere := zeta - series(beta(), zeta)
	xi, eta := real(sphere), imag(sphere)
	lambda := math.Atan2(math.Sinh(eta), math.Cos(xi))
	tau := geodetic(math.Sin(xi) / math.Hypot(math.Sinh(eta), math.Cos(xi)))
	return wrap(z.meridian() + degrees(lambda)), degrees(math.Atan(tau))
}

// series is the sum of c[j] sin(2 (j+1) zeta), with the sines by their recurrence: only one is computed.
func series(c [6]float64, zeta complex128) complex128 {
	before, sine, step := complex128(0), cmplx.Sin(2*zeta), 2*cmplx.Cos(2*zeta)
	sum := complex128(0)
	for _, factor := range c {
		sum += complex(factor, 0) * sine
		before, sine = sine, step*sine-before
	}
	return sum
}

// geodetic solves the conformal latitude's tangent for the geodetic one by Newton's method (three steps suffice).
func geodetic(conformal float64) float64 {
	e := eccentricity()
	tau := conformal
	for range 6 {
		root := math.Hypot(1, tau)
		sigma := math.Sinh(e * math.Atanh(e*tau/root))
		guess := tau*math.Hypot(1, sigma) - sigma*root
		slope := math.Hypot(1, guess) * (1 - e*e) * root / (1 + (1-e*e)*tau*tau)
		tau += (conformal - guess) / slope
	}
	return tau
}

// meridian is the longitude of the zone's middle.
func (z Zone) meridian() float64 { return float64(6*z.Number - 183) }

// origin is the northing of the equator.
func (z Zone) origin() float64 {
	if z.South {
		return falseNorth
	}
	return 0
}

// eccentricity is the first eccentricity of the ellipsoid.
func eccentricity() float64 { return math.Sqrt(flattening * (2 - flattening)) }

// rectifying is the radius of the circle whose circumference is the meridian's.
func rectifying() float64 {
	const n2 = third * third
	return semiMajor / (1 + third) * (1 + n2/4 + n2*n2/64 + n2*n2*n2/256)
}

// alpha are the coefficients from the sphere to the ellipsoid (Karney 2011, equation 35).
func alpha() [6]float64 {
	const n, n2, n3 = third, third * third, third * third * third
	const n4, n5, n6 = n2 * n2, n2 * n3, n3 * n3
	return [6]float64{
		n/2 - 2*n2/3 + 5*n3/16 + 41*n4/180 - 127*n5/288 + 7891*n6/37800,
		13*n2/48 - 3*n3/5 + 557*n4/1440 + 281*n5/630 - 1983433*n6/1935360,
		61*n3/240 - 103*n4/140 + 15061*n5/26880 + 167603*n6/181440,
		49561*n4/161280 - 179*n5/168 + 6601661*n6/7257600,
		34729*n5/80640 - 3418889*n6/1995840,
		212378941 * n6 / 319334400,
	}
}

// beta are the coefficients from the ellipsoid to the sphere (Karney 2011, equation 36).
func beta() [6]float64 {
	const n, n2, n3 = third, third * third, third * third * third
	const n4, n5, n6 = n2 * n2, n2 * n3, n3 * n3
	return [6]float64{
		n/2 - 2*n2/3 + 37*n3/96 - n4/360 - 81*n5/512 + 96199*n6/604800,
		n2/48 + n3/15 - 437*n4/1440 + 46*n5/105 - 1118711*n6/3870720,
		17*n3/480 - 37*n4/840 - 209*n5/4480 + 5569*n6/90720,
		4397*n4/161280 - 11*n5/504 - 830251*n6/7257600,
		4583*n5/161280 - 108847*n6/3991680,
		20648693 * n6 / 638668800,
	}
}

// wrap brings an angle into -180..180.
func wrap(degrees float64) float64 { return math.Remainder(degrees, 360) }

func radians(d float64) float64 { return d * math.Pi / 180 }

func degrees(r float64) float64 { return r * 180 / math.Pi }
