#include "fetchers/matrix_scan.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/value.hpp>

#include "engine/model/label_text.hpp"
#include "engine/model/series.hpp"
#include "fetchers/exact_json.hpp"

namespace settle::fetchers {

using engine::Time;
using engine::Value;

namespace {

// A point of a body is about so long: `[1782482400,"12345"],`.
constexpr std::size_t kPointBytes = 20;
constexpr std::size_t kRowsReserved = 1u << 20;
// Seconds of so many digits are, in milliseconds, exact as doubles: the tree gives the same instant.
constexpr int kSecondsDigitsMax = 11;
constexpr int kValueDigitsMax = 18;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Reads from left to right; `at_` never passes the end. What returns false has given the answer up.
class MatrixScan {
 public:
  MatrixScan(std::string_view body, const MatrixQuestion& question)
      : at_(body.data()), end_(body.data() + body.size()), question_(question) {
    matrix_.rows.reserve(std::min(body.size() / kPointBytes, kRowsReserved));
  }

  std::optional<Matrix> read() {
    if (!read_head() || !read_list() || !read_tail() || !all_differ()) return std::nullopt;
    return std::move(matrix_);
  }

 private:
  bool take(std::string_view token) {
    if (!std::string_view{at_, end_}.starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  bool take(char c) {
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }

  bool read_head();
  bool read_tail();
  bool read_list();
  bool read_series();
  bool read_labels();
  bool read_text(std::string_view& text);
  bool read_point(bool wanted);
  bool read_time(std::int64_t& ms);
  bool read_value(Value& value);
  bool all_differ() const;

  const char* at_;
  const char* end_;
  const MatrixQuestion& question_;
  Matrix matrix_;
  engine::Labels labels_;  // of the series in hand
  std::vector<std::string> unwanted_;
  Time last_;  // bucket of its point before
};

bool MatrixScan::read_head() {
  if (!take(R"({"status":"success",)")) return false;
  (void)take(R"("isPartial":false,)");
  return take(R"("data":{"resultType":"matrix","result":[)");
}

/// Statistics may follow; all else might change what the answer means.
bool MatrixScan::read_tail() {
  if (!take('}')) return false;
  if (take(R"(,"stats":)")) {
    const std::string_view rest{at_, end_};
    if (!rest.ends_with('}') || !parse_exact_json(rest.substr(0, rest.size() - 1))) return false;
    at_ = end_ - 1;
  }
  return take('}') && at_ == end_;
}

bool MatrixScan::read_list() {
  if (take(']')) return true;
  while (read_series()) {
    if (take(']')) return true;
    if (!take(',')) return false;
  }
  return false;
}

/// Between quotes, without escapes.
bool MatrixScan::read_text(std::string_view& text) {
  if (!take('"')) return false;
  const char* const from = at_;
  while (at_ != end_ && *at_ != '"' && *at_ != '\\' && static_cast<unsigned char>(*at_) >= 0x20) ++at_;
  text = {from, at_};
  return take('"');
}

bool MatrixScan::read_labels() {
  labels_.clear();
  if (!take(R"({"metric":{)")) return false;
  for (bool more = !take('}'); more;) {
    std::string_view name;
    std::string_view value;
    if (!read_text(name) || !take(':') || !read_text(value)) return false;
    if (!engine::is_utf8(value)) return false;
    if (name != engine::kMetricNameLabel) labels_.push_back({std::string{name}, std::string{value}});
    more = !take('}');
    if (more && !take(',')) return false;
  }
  labels_.push_back({std::string{engine::kMetricNameLabel}, question_.selector.metric()});
  auto normal = engine::normalize_labels(std::move(labels_));
  if (!normal) return false;
  labels_ = *std::move(normal);
  return true;
}

bool MatrixScan::read_series() {
  if (!read_labels() || !take(R"(,"values":[)")) return false;
  const bool wanted = question_.selector.matches(labels_);
  (wanted ? matrix_.series : unwanted_).push_back(engine::series_text(labels_));
  last_ = Time::min();
  if (take(']')) return take('}');
  while (read_point(wanted)) {
    if (take(']')) return take('}');
    if (!take(',')) return false;
  }
  return false;
}

bool MatrixScan::read_time(std::int64_t& ms) {
  const char* const from = at_;
  std::int64_t seconds = 0;
  while (at_ != end_ && is_digit(*at_) && at_ - from < kSecondsDigitsMax)
    seconds = seconds * 10 + (*at_++ - '0');
  if (at_ == from || (*from == '0' && at_ - from > 1)) return false;
  ms = seconds * 1'000;
  if (!take('.')) return true;
  constexpr std::array<int, 4> kUnit{0, 100, 10, 1};
  const char* const fraction = at_;
  std::int64_t part = 0;
  while (at_ != end_ && is_digit(*at_) && at_ - fraction < 3) part = part * 10 + (*at_++ - '0');
  ms += part * kUnit[static_cast<std::size_t>(at_ - fraction)];
  return at_ != fraction;
}

bool MatrixScan::read_value(Value& value) {
  if (!take('"')) return false;
  const char* const from = at_;
  std::uint64_t whole = 0;
  while (at_ != end_ && is_digit(*at_)) whole = whole * 10 + static_cast<std::uint64_t>(*at_++ - '0');
  const bool is_whole = at_ != from && at_ - from <= kValueDigitsMax && (*from != '0' || at_ - from == 1);
  if (is_whole && take('"')) {
    value = Value::count(whole);
    return true;
  }
  at_ = from - 1;
  std::string_view text;
  if (!read_text(text)) return false;
  const auto parsed = engine::parse_value(text);
  if (parsed) value = *parsed;
  return static_cast<bool>(parsed);
}

bool MatrixScan::read_point(bool wanted) {
  std::int64_t ms = 0;
  Value value;
  if (!take('[') || !read_time(ms) || !take(',') || !read_value(value) || !take(']')) return false;
  const engine::Duration step = question_.granularity;
  const Time bucket = engine::from_epoch_ms(ms) - step;
  // Mostly the bucket that follows; last_ may be the least of all times.
  const bool follows = last_ != Time::min() && bucket == last_ + step;
  if (!follows && (bucket <= last_ || engine::floor_to(bucket, step) != bucket)) return false;
  if (!question_.range.contains(bucket)) return false;
  last_ = bucket;
  if (!wanted) return true;
  if (value.is_nan()) {
    ++matrix_.rows_without_value;
  } else {
    matrix_.rows.push_back({matrix_.series.size() - 1, bucket, value});
  }
  return true;
}

/// Two series of one text are for the tree to tell.
bool MatrixScan::all_differ() const {
  std::vector<std::string_view> texts(matrix_.series.begin(), matrix_.series.end());
  texts.insert(texts.end(), unwanted_.begin(), unwanted_.end());
  std::sort(texts.begin(), texts.end());
  return std::adjacent_find(texts.begin(), texts.end()) == texts.end();
}

}  // namespace

std::optional<Matrix> scan_matrix(std::string_view body, const MatrixQuestion& question) {
  return MatrixScan{body, question}.read();
}

}  // namespace settle::fetchers
