// Package cdse is a stand-in for the Copernicus Data Space Ecosystem's Sentinel Hub services that answers from one
// real Sentinel-2 scene, without any network.
//
// It promises the public paths and shapes: the token endpoint (client credentials by form or basic authentication),
// the Statistical API and the Catalog search, with the service's error bodies, limits and the cost header, so that a
// stock client works against it. Statistics are computed: the requested area is laid over the pixels by nearest
// neighbour, the caller's evalscript is executed for every pixel touched, and minimum, maximum, mean, population
// standard deviation and counts are taken over what its dataMask leaves. A pixel is left out when its mask value is 0
// or its value is not finite; what the service does with the latter is not documented. An area or a day without the
// scene gives what the service gives: status OK and no interval.
//
// It also misbehaves on demand (Fault) and remembers every call (Calls), because both are what tests of a client need.
//
// It refuses, with the service's own error body and a message that says so, what it cannot answer truthfully: bands
// the scene does not hold, other collections, geometry instead of a bounding box, mosaicking ORBIT and TILE, other
// resampling than NEAREST, histograms and percentiles. One liberty is taken: a script is evaluated once per distinct
// pixel of the scene and counted as often as that pixel occurs, so a script must be a function of its sample.
package cdse
