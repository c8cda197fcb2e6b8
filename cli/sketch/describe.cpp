#include "cli/sketch/describe.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <boost/json/value.hpp>

#include "cli/sketch/json_text.hpp"

namespace settle::cli {
namespace {

namespace json = boost::json;

constexpr std::array<std::pair<const char*, double>, 12> kQuantiles{{{"0", 0},
                                                                     {"0.01", 0.01},
                                                                     {"0.05", 0.05},
                                                                     {"0.1", 0.1},
                                                                     {"0.25", 0.25},
                                                                     {"0.5", 0.5},
                                                                     {"0.75", 0.75},
                                                                     {"0.9", 0.9},
                                                                     {"0.95", 0.95},
                                                                     {"0.99", 0.99},
                                                                     {"0.999", 0.999},
                                                                     {"1", 1}}};

json::array degraded_text(sketch::Degraded degraded) {
  json::array reasons;
  if (has(degraded, sketch::Degraded::collapsed)) reasons.emplace_back("collapsed");
  if (has(degraded, sketch::Degraded::mixed_gamma)) reasons.emplace_back("mixed_gamma");
  if (has(degraded, sketch::Degraded::sampled)) reasons.emplace_back("sampled");
  return reasons;
}

const char* mapping_text(sketch::Mapping::Kind kind) {
  constexpr std::array kNames{"logarithmic", "linear", "quadratic", "cubic", "quartic"};
  return kNames.at(static_cast<std::size_t>(kind));
}

void add(json::object& out, const sketch::DDSketch& held) {
  if (held.mapping()) {
    const sketch::Mapping& mapping = *held.mapping();
    out["mapping"] = {
        {"kind", mapping_text(mapping.kind)}, {"gamma", mapping.gamma}, {"offset", mapping.offset}};
    if (held.scale()) out["scale"] = *held.scale();
    out["relative_accuracy"] = mapping.alpha();
  }
  if (held.limits().bins != 0) out["bin_limit"] = held.limits().bins;
  out["bins"] = {{"positive", held.positive().range().span()}, {"negative", held.negative().range().span()}};
  out["count"] = held.count();
  out["zero_count"] = held.zeros();
  if (held.zero_threshold() > 0) out["zero_threshold"] = held.zero_threshold();
  const sketch::DDSketch::Exact& exact = held.exact();
  if (exact.sum) out["sum"] = *exact.sum;
  if (!exact.sum) out["sum_of_bins"] = held.sum();
  if (exact.min) out["min"] = *exact.min;
  if (exact.max) out["max"] = *exact.max;
  json::object quantiles;
  sketch::Degraded degraded = held.degraded();
  for (const auto& [key, q] : kQuantiles) {
    const auto answer = held.quantile(q);
    quantiles[key] = answer.value;  // NaN, which is null, without values
    degraded |= answer.degraded;
  }
  out["quantiles"] = std::move(quantiles);
  out["degraded"] = degraded_text(degraded);
}

void add(json::object& out, const sketch::Hll& held) {
  constexpr std::array kFamilies{"", "datasketches", "asap", "redis", "postgresql"};
  constexpr std::array kVariants{"", "classic", "ertl", "hip"};
  if (held.has_kind()) {
    const sketch::HllKind& kind = held.kind();
    out["hashing"] = kFamilies.at(static_cast<std::size_t>(kind.family));
    if (kind.variant != 0) out["variant"] = kVariants.at(kind.variant);
    out["precision"] = held.precision();
    if (kind.width != 0) out["register_bits"] = kind.width;
    if (kind.sample_p != 1) out["sample_p"] = kind.sample_p;
    out["mode"] = held.dense() ? "registers" : "hashes";
    if (!held.dense()) out["hashes"] = held.coupons().size() + held.hashes().size();
  }
  const auto answer = held.answer();
  out["estimate"] = answer.estimate;
  out["standard_error"] = answer.standard_error;
  out["interval"] = {{"confidence", 0.95}, {"lower", answer.low}, {"upper", answer.high}};
  out["estimator"] = held.hip() ? "hip" : held.dense() ? "ertl" : "hashes";
  out["degraded"] = degraded_text(answer.degraded);
}

/// Bytes of a sequence that begins with this one, and is no longer than `rest`; 0: none begins so.
std::size_t utf8_length(std::string_view rest) {
  const auto lead = static_cast<unsigned char>(rest.front());
  const std::size_t length = lead < 0x80                   ? 1
                             : lead >= 0xc2 && lead < 0xe0 ? 2
                             : (lead & 0xf0) == 0xe0       ? 3
                             : (lead & 0xf8) == 0xf0       ? 4
                                                           : 0;
  if (length > rest.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((static_cast<unsigned char>(rest[i]) & 0xc0) != 0x80) return 0;
  }
  return length;
}

/// JSON is UTF-8; bytes that are not are each shown as U+FFFD, and the item in hexadecimal beside it.
void add_name(json::object& out, const std::string& item) {
  json::string shown;
  bool is_text = true;
  for (std::size_t at = 0; at < item.size();) {
    const std::size_t length = utf8_length(std::string_view{item}.substr(at));
    if (length == 0) {
      shown += "\xef\xbf\xbd";
      is_text = false;
    } else {
      shown.append(json::string_view{item.data() + at, length});
    }
    at += std::max<std::size_t>(length, 1);
  }
  out["item"] = std::move(shown);
  if (is_text) return;
  constexpr std::string_view kDigits = "0123456789abcdef";
  json::string hex;
  for (const char c : item) {
    const auto byte = static_cast<unsigned char>(c);
    hex.push_back(kDigits[byte >> 4U]);
    hex.push_back(kDigits[byte & 15U]);
  }
  out["item_hex"] = std::move(hex);
}

void add_items(json::object& out, const sketch::TopAnswer& answer) {
  json::array items;
  for (const sketch::TopItem& item : answer.items) {
    json::object one;
    add_name(one, item.item);
    one["estimate"] = item.estimate;
    one["lower"] = item.low;
    one["upper"] = item.high;
    items.push_back(std::move(one));
  }
  out["items"] = std::move(items);
  out["absent_at_most"] = answer.absent_at_most;  // infinity, which is null, where nothing is known
  out["degraded"] = degraded_text(answer.degraded);
}

void add_matrix(json::object& out, const sketch::MatrixSketch& held) {
  constexpr std::array kRules{"asap-packed", "asap-regular", "datasketches", "xxh32"};
  const sketch::MatrixShape& shape = held.matrix().shape();
  if (!held.matrix().has_shape()) return;
  out["rows"] = shape.rows;
  out["cols"] = shape.cols;
  out["hashing"] = kRules.at(static_cast<std::size_t>(shape.rule));
  if (shape.rule == sketch::MatrixShape::Rule::datasketches) out["seed"] = shape.seed;
  if (held.matrix().sample_p() != 1) out["sample_p"] = held.matrix().sample_p();
  out["named_items"] = held.items().keys().size();
}

void add(json::object& out, const sketch::CountMin& held, std::size_t items_max) {
  add_matrix(out, held);
  out["total_weight"] = held.matrix().has_shape() ? held.total() : 0;
  add_items(out, held.top_k(items_max));
}

void add(json::object& out, const sketch::CountSketch& held, std::size_t items_max) {
  add_matrix(out, held);
  out["norm"] = held.norm();
  add_items(out, held.top_k(items_max));
}

void add(json::object& out, const sketch::FrequentItems& held, std::size_t items_max) {
  out["total_weight"] = held.total();
  out["offset"] = held.offset();
  out["named_items"] = held.items().size();
  add_items(out, held.top_k(items_max));
}

void add(json::object& out, const sketch::Stats& held) {
  if (held.empty()) {
    out["count"] = 0;
    return;
  }
  const sketch::Stats::Content& content = *held.content();
  const auto point = [](const sketch::Stats::Point& of) {
    return json::object{{"time", engine::format_time(of.at)}, {"value", of.value}};
  };
  out["count"] = content.count;
  out["sum"] = content.sum;
  out["min"] = content.min;
  out["max"] = content.max;
  out["first"] = point(content.first);
  out["last"] = point(content.last);
  out["increase"] = content.increase;
}

}  // namespace

std::string describe(const ReadSketch& read, std::size_t items_max) {
  json::object out;
  const auto format = codec::format_text(read.settings.format);
  const auto kind = kind_text(read.sketch);
  out["format"] = json::string_view{format.data(), format.size()};
  out["kind"] = json::string_view{kind.data(), kind.size()};
  const sketch::Accumulator& held = read.sketch;
  if (const auto* ddsketch = std::get_if<sketch::DDSketch>(&held)) add(out, *ddsketch);
  if (const auto* hll = std::get_if<sketch::Hll>(&held)) add(out, *hll);
  if (const auto* matrix = std::get_if<sketch::CountMin>(&held)) add(out, *matrix, items_max);
  if (const auto* matrix = std::get_if<sketch::CountSketch>(&held)) add(out, *matrix, items_max);
  if (const auto* items = std::get_if<sketch::FrequentItems>(&held)) add(out, *items, items_max);
  if (const auto* stats = std::get_if<sketch::Stats>(&held)) add(out, *stats);
  return json_text(out);
}

}  // namespace settle::cli
