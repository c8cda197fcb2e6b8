// fetchers/prometheus_matrix.hpp: what a Prometheus-compatible server answers to query_range, as buckets.
// Pure.
//
// Bucket [b, b + g) is the evaluation at b + g.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/answer.hpp"
#include "engine/model/time.hpp"
#include "engine/promql/selector.hpp"
#include "fetchers/fetcher.hpp"

namespace settle::fetchers {

/// Prometheus refuses more than 11,000 steps per series.
inline constexpr std::int64_t kPointsPerQuery = 11'000;

/// Cuts a range into parts of at most `buckets_max` buckets, in order.
[[nodiscard]] std::vector<engine::TimeRange> split_range(engine::TimeRange range,
                                                         engine::Duration granularity,
                                                         std::int64_t buckets_max);

struct MatrixQuestion {
  engine::TimeRange range;  // of buckets
  engine::Duration granularity{};
  engine::Selector selector;  // its metric is the name that every series gets
};

/// The rows of one answer; `series` of a row is an index, so that texts are kept once.
struct Matrix {
  struct Row {
    std::size_t series = 0;  // into `series`
    engine::Time bucket;
    engine::Value value;
  };
  std::vector<std::string> series;  // canonical texts; only those that match
  std::vector<Row> rows;
  std::uint64_t rows_without_value = 0;  // NaN
  bool failed = false;
  FetchFailure failure = FetchFailure::malformed;
  std::string detail;  // when failed: what came
  bool perhaps_too_large = false;
};

/// Reads a 2xx body. Warnings, a partial answer, or anything that is not as documented fails the whole
/// answer.
[[nodiscard]] Matrix decode_matrix(std::string_view body, const MatrixQuestion& question);
/// The same, by way of a tree of the whole answer: what scan_matrix() is measured by.
[[nodiscard]] Matrix read_matrix_tree(std::string_view body, const MatrixQuestion& question);
/// The server's own words in an error body, shortened; or the beginning of the body.
[[nodiscard]] std::string error_words(std::string_view body);

/// `m`, `m{a="b"}`, also with offset or in parentheses: its value at an instant is whatever sample came last,
/// so a bucket would not say what happened in it. A function over a range of one granularity is what is
/// wanted.
[[nodiscard]] bool is_bare_selector(std::string_view expression);

}  // namespace settle::fetchers
