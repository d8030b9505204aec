package quality

// Metric is what the rules know about an environmental metric.
type Metric struct {
	ID       string
	Min, Max float64 // expected values, inclusive, in the metric's unit
	Ranged   bool    // Min and Max are known
	Ground   bool    // measured on soil or plants, so never on water or snow
}

// MetricOf returns the metric of the built-in catalogue with exactly this id.
// An unknown id has no range and is not on the ground: metrics are free text
// where readings are taken, and an unknown one must not cause flags.
func MetricOf(id string) Metric {
	for _, m := range catalogue() {
		if m.ID == id {
			return m
		}
	}
	return Metric{ID: id}
}

// catalogue returns the known metrics. Source of the ranges: domain brief 1.1.
func catalogue() []Metric {
	return []Metric{
		{ID: "aqi", Min: 0, Max: 500, Ranged: true},          // index
		{ID: "temperature", Min: -40, Max: 50, Ranged: true}, // degrees Celsius, of air
		{ID: "humidity", Min: 0, Max: 100, Ranged: true},     // percent
		{ID: "noise", Min: 30, Max: 120, Ranged: true},       // decibels
		{ID: "pm25", Min: 0, Max: 500, Ranged: true},         // micrograms per cubic metre
		{ID: "pm10", Min: 0, Max: 600, Ranged: true},         // micrograms per cubic metre
		{ID: "co2", Min: 300, Max: 5000, Ranged: true},       // parts per million
		// What soils and plants yield differs too much between places for a range.
		{ID: "soil_moisture", Ground: true},
		{ID: "soil_temperature", Ground: true},
		{ID: "soil_ph", Ground: true},
		{ID: "soil_nitrogen", Ground: true},
		{ID: "soil_carbon", Ground: true},
		{ID: "soil_salinity", Ground: true},
		{ID: "vegetation_height", Ground: true},
		{ID: "vegetation_cover", Ground: true},
		{ID: "leaf_area_index", Ground: true},
		{ID: "chlorophyll", Ground: true},
		{ID: "biomass", Ground: true},
		{ID: "crop_yield", Ground: true},
	}
}
