// engine/codec/otlp_exphistogram.hpp: OpenTelemetry's exponential histograms.
//
// Source: opentelemetry-proto, metrics.proto. A blob is an ExportMetricsServiceRequest, of which all points
// of all exponential histograms are merged, or a bare ExponentialHistogramDataPoint {3 time, 4 count, 5 sum,
// 6 scale, 7 zero count, 8 positive and 9 negative buckets {1 offset, 2 counts}, 10 flags, 12 min, 13 max, 14
// zero threshold}: one that has other fields than field 1. Bucket i covers (base^i, base^(i+1)], base =
// 2^(2^-scale): DDSketch's bin i up to the bin's edge. Points of several scales come to the coarsest.
// Refused: cumulative points, which are to be differenced per stream before; scales outside [-9, 20]; a count
// that is not that of the buckets. Points without a recorded value are passed over.
#pragma once

#include <string_view>

#include "engine/codec/format.hpp"
#include "engine/result.hpp"
#include "engine/sketch/ddsketch.hpp"

namespace settle::codec {

engine::Result<void> merge_otlp_exphistogram(sketch::DDSketch& into, std::string_view blob,
                                             const Settings& settings);

}  // namespace settle::codec
