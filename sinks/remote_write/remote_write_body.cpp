#include "sinks/remote_write/remote_write_body.hpp"

#include <algorithm>
#include <cassert>

#include <protozero/pbf_writer.hpp>
#include <snappy.h>
#include <zstd.h>

#include "engine/model/series.hpp"
#include "sinks/row_groups.hpp"
#include "sinks/series_json.hpp"

namespace settle::sinks {

namespace {

constexpr protozero::pbf_tag_type kTimeSeries = 1;
constexpr protozero::pbf_tag_type kLabels = 1;
constexpr protozero::pbf_tag_type kSamples = 2;
constexpr protozero::pbf_tag_type kLabelName = 1;
constexpr protozero::pbf_tag_type kLabelValue = 2;
constexpr protozero::pbf_tag_type kSampleValue = 1;
constexpr protozero::pbf_tag_type kSampleTimestamp = 2;

// A body is compressed once and sent once: time counts, the last percents do not.
constexpr int kZstdLevel = 1;

/// Takes the escapes \\ \" \n of canonical text away.
void unescape(std::string& out, std::string_view escaped) {
  out.clear();
  for (std::size_t at = 0; at < escaped.size(); ++at) {
    char c = escaped[at];
    if (c == '\\' && at + 1 < escaped.size()) {
      c = escaped[++at];
      if (c == 'n') c = '\n';
    }
    out += c;
  }
}

void write_label(protozero::pbf_writer& series, std::string_view name, std::string_view value) {
  protozero::pbf_writer label{series, kLabels};
  label.add_string(kLabelName, name.data(), name.size());
  label.add_string(kLabelValue, value.data(), value.size());
}

void write_labels(protozero::pbf_writer& series, std::string_view text, std::string& value) {
  SeriesParts parts{text};
  bool named = false;
  while (const auto part = parts.next()) {
    // Capital letters, and "__a", sort before the metric name.
    if (!named && part->label > engine::kMetricNameLabel) {
      write_label(series, engine::kMetricNameLabel, parts.name());
      named = true;
    }
    unescape(value, part->escaped);
    write_label(series, part->label, value);
  }
  if (!named) write_label(series, engine::kMetricNameLabel, parts.name());
}

double sent_value(const Row& row) {
  return row.reason == engine::Reason::stale ? std::bit_cast<double>(kStaleMarkerBits)
                                             : row.value.as_double();
}

}  // namespace

std::string encode_write_request(const std::vector<Row>& rows) {
  std::string body;
  std::string value;
  protozero::pbf_writer request{body};
  const std::vector<GroupedRow> grouped = group_by_series(rows);
  for (auto one = grouped.begin(); one != grouped.end();) {
    const std::size_t group = one->group;
    protozero::pbf_writer series{request, kTimeSeries};
    write_labels(series, one->row->series, value);
    for (; one != grouped.end() && one->group == group; ++one) {
      protozero::pbf_writer sample{series, kSamples};
      sample.add_double(kSampleValue, sent_value(*one->row));
      sample.add_int64(kSampleTimestamp, engine::epoch_ms(one->row->timestamp));
    }
  }
  return body;
}

std::optional<std::string> refuse_sample(const Row& row) {
  if (row.reason != engine::Reason::stale) {
    if (row.value.is_nan()) return "the value is NaN, not a number";
    // Samples are doubles; some whole numbers above 2^53 are, too.
    if (row.value.is_count() && engine::Value::number(row.value.as_double()) != row.value) {
      return "the count " + engine::format_value(row.value) + " is above 2^53 and would lose its last digits";
    }
  }
  if (row.timestamp < engine::Time{}) return "the timestamp lies before 1970";
  SeriesParts parts{row.series};
  if (parts.name().empty()) return "the series has no metric name";
  bool empty = false;
  while (const auto part = parts.next()) empty = empty || part->value_bytes == 0;
  if (parts.failed() || empty) return "the series is not in canonical form";
  return std::nullopt;
}

std::string compress_snappy(std::string_view bytes) {
  std::string compressed;
  snappy::Compress(bytes.data(), bytes.size(), &compressed);
  return compressed;
}

std::string compress_zstd(std::string_view bytes) {
  std::string compressed(ZSTD_compressBound(bytes.size()), '\0');
  const std::size_t size =
      ZSTD_compress(compressed.data(), compressed.size(), bytes.data(), bytes.size(), kZstdLevel);
  // With room for the bound only memory can be lacking.
  assert(ZSTD_isError(size) == 0);
  compressed.resize(size);
  return compressed;
}

}  // namespace settle::sinks
