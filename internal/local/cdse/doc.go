// Package cdse is a stand-in for the Copernicus Data Space Ecosystem's Sentinel Hub services that answers from one
// real Sentinel-2 scene, without any network.
//
// # What it promises
//
// It has the public paths and shapes: the token endpoint (client credentials by form or basic authentication), the
// Statistical API and the Catalog search, with the service's error bodies, limits and the cost header, so that a
// stock client works against it.
//
//   - Pixels. The requested box, in CRS84, EPSG 4326, 3857 or any UTM zone, is laid over the scene's 200 m grid by
//     nearest neighbour: the centre of each output pixel is projected to the scene's zone and falls into one pixel.
//   - Scripts. The caller's evalscript (version 3) is executed, not recognised: setup() says what goes in and out, in
//     every form that the service takes, and evaluatePixel() is called for the samples, each run in a JavaScript engine
//     of its own that ends with its time. Reflectance is the digital number times 0.0001; outputs are rounded to their
//     sample type. The input band dataMask is 0 outside of the scene and where no band saw anything, and every other
//     band reads 0 there.
//   - Statistics. Minimum, maximum, mean and population standard deviation over the pixels that the dataMask output
//     leaves, with sampleCount for all pixels and noDataCount for the others. Without any pixel the numbers are the
//     string "NaN". A value that is not finite counts as no data; what the service does with it is not documented.
//   - Time. The range is cut into intervals from its start; the one that holds the acquisition is answered, all others
//     are absent. An incomplete last interval is skipped, shortened or extended as asked. An area, a day or a cloud
//     limit without the scene gives what the service gives: status OK and no interval.
//   - Cost. The header names the processing units by the published formula, also for empty answers (the floor).
//   - Places. Where the scene is not, SetPlaces can lay squares with acquisitions of its own: days, hours and cloud
//     covers are made up, the pixels are real ones that were seen elsewhere (snow is none: scene.Patch says what each is).
//     Nothing of it is there by default, and the catalog calls each of them STAND-IN.
//
// # How it misbehaves
//
// Fault rules, set in Go or by POST /__faults, make chosen calls fail the way the real service and its gateways do;
// the list of kinds is FaultKind. Every call is in the log (Calls, GET /__calls) before its answer can be read, so
// that tests may count requests and look at their distances in time. Health is at /healthz.
//
// # What it refuses
//
// It refuses, with the service's own error body and a message that says so, what it cannot answer truthfully: bands
// the scene does not hold, other collections, geometry instead of a bounding box, mosaicking ORBIT and TILE, other
// resampling than NEAREST, histograms and percentiles. Exact texts of the service's messages are not promised, their
// codes are. It does not enforce rate limits or quotas by itself; rules do.
// Scripts without the //VERSION=3 line are refused too, and those whose outputs are no arrays of the declared length.
// The time of a script is bounded, its memory is not: this is a tool for one's own scripts, no sandbox for strangers.
//
// One liberty is taken: a script is evaluated once per distinct pixel of the scene and counted as often as that pixel
// occurs, so a script must be a function of its sample. The service does not promise an order of evaluation either.
package cdse
