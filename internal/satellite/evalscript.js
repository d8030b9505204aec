//VERSION=3
// Seven indices and three quality shares of Sentinel-2 L2A, one pixel at a time.
function setup() {
  return {
    input: [{ bands: ["B02", "B03", "B04", "B05", "B08", "B8A", "B11", "SCL", "dataMask"] }],
    output: [
      { id: "indices", bands: ["ndvi", "ndmi", "ndre", "evi", "msi", "savi", "gndvi"], sampleType: "FLOAT32" },
      { id: "quality", bands: ["cloud", "snow", "water"], sampleType: "UINT8" },
      { id: "dataMask", bands: ["indices", "quality"] }
    ]
  };
}

function clamp(x, low, high) {
  return Math.min(Math.max(x, low), high);
}

function evaluatePixel(s) {
  var denominators = [
    s.B08 + s.B04, s.B8A + s.B11, s.B08 + s.B05,
    s.B08 + 6 * s.B04 - 7.5 * s.B02 + 1, s.B08, s.B08 + s.B04 + 0.5, s.B08 + s.B03
  ];
  var hidden = [0, 1, 3, 8, 9, 10].indexOf(s.SCL) >= 0;
  var valid = s.dataMask === 1 && !hidden && denominators.every(function (d) { return d !== 0; }) ? 1 : 0;
  return {
    indices: valid === 0 ? [0, 0, 0, 0, 0, 0, 0] : [
      (s.B08 - s.B04) / denominators[0],
      (s.B8A - s.B11) / denominators[1],
      (s.B08 - s.B05) / denominators[2],
      clamp(2.5 * (s.B08 - s.B04) / denominators[3], -1, 1),
      Math.min(s.B11 / denominators[4], 3),
      1.5 * (s.B08 - s.B04) / denominators[5],
      (s.B08 - s.B03) / denominators[6]
    ],
    quality: [
      [3, 8, 9, 10].indexOf(s.SCL) >= 0 ? 1 : 0,
      s.SCL === 11 ? 1 : 0,
      s.SCL === 6 ? 1 : 0
    ],
    dataMask: [valid, s.dataMask]
  };
}
