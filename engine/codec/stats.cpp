#include "engine/codec/stats.hpp"

#include <bit>

#include "engine/model/bytes.hpp"

namespace settle::codec {
namespace {

constexpr std::uint8_t kVersion = 1;
/// Instants that leave room for the length between them: 280,000 years on both sides of the epoch.
constexpr std::int64_t kInstantMost = std::int64_t{1} << 53;

double f64(engine::ByteReader& in) {
  return std::bit_cast<double>(in.fixed64());
}
void f64(engine::ByteWriter& out, double value) {
  out.fixed64(std::bit_cast<std::uint64_t>(value));
}

}  // namespace

engine::Result<sketch::Stats> parse_stats(std::string_view blob) {
  if (blob.empty()) return sketch::Stats{};
  engine::ByteReader in{blob};
  if (in.byte() != kVersion) return engine::refused("not statistics: another version");
  sketch::Stats::Content content;
  content.count = in.varint();
  content.sum = f64(in);
  content.min = f64(in);
  content.max = f64(in);
  const std::int64_t first = in.signed_varint();
  const std::uint64_t length = in.varint_up_to(static_cast<std::uint64_t>(kInstantMost));
  content.first.value = f64(in);
  content.last.value = f64(in);
  content.increase = f64(in);
  if (!in.done() || first < -kInstantMost || first > kInstantMost) {
    return engine::refused("not statistics: cut short, too long or at no instant");
  }
  content.first.at = engine::from_epoch_ms(first);
  content.last.at = content.first.at + engine::Duration{static_cast<std::int64_t>(length)};
  return sketch::Stats::of(content);
}

engine::Result<void> merge_stats(sketch::Stats& into, std::string_view blob, const Settings& /*settings*/) {
  const auto other = parse_stats(blob);
  if (!other) return other.error();
  return into.merge_in_time(*other);
}

std::string encode_stats(const sketch::Stats& from) {
  if (from.empty()) return {};
  const sketch::Stats::Content& content = *from.content();
  engine::ByteWriter out;
  out.byte(kVersion);
  out.varint(content.count);
  f64(out, content.sum);
  f64(out, content.min);
  f64(out, content.max);
  out.signed_varint(engine::epoch_ms(content.first.at));
  out.varint(static_cast<std::uint64_t>((content.last.at - content.first.at).count()));
  f64(out, content.first.value);
  f64(out, content.last.value);
  f64(out, content.increase);
  return std::move(out).take();
}

}  // namespace settle::codec
