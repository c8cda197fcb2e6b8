#include "engine/codec/format.hpp"

#include <array>
#include <utility>

namespace settle::codec {
namespace {

constexpr std::array<std::pair<Format, std::string_view>, 14> kNames{{
    {Format::ddsketch_proto, "ddsketch-proto"},
    {Format::ddsketch_binary, "ddsketch-binary"},
    {Format::asap_envelope, "asap-envelope"},
    {Format::asap_delta, "asap-delta"},
    {Format::asap_v1, "asap-v1"},
    {Format::datasketches_hll, "datasketches-hll"},
    {Format::datasketches_frequent_items, "datasketches-frequent-items"},
    {Format::datasketches_count_min, "datasketches-count-min"},
    {Format::otlp_exphistogram, "otlp-exphistogram"},
    {Format::redis_hll, "redis-hll"},
    {Format::postgresql_hll, "postgresql-hll"},
    {Format::asapquery, "asapquery"},
    {Format::stats, "stats"},
    {Format::cell, "cell"},
}};

}  // namespace

std::string_view format_text(Format format) {
  for (const auto& [value, name] : kNames) {
    if (value == format) return name;
  }
  return "unknown";
}

std::optional<Format> parse_format(std::string_view text) {
  for (const auto& [value, name] : kNames) {
    if (name == text) return value;
  }
  return std::nullopt;
}

}  // namespace settle::codec
