#include "runner/dead_letter.hpp"

#include <cstdint>
#include <utility>

#include "engine/model/bytes.hpp"

namespace settle::runner {

namespace {

constexpr std::uint8_t kVersion = 1;

}  // namespace

std::string encode_dead_letter(const DeadLetter& letter) {
  engine::ByteWriter out;
  out.byte(kVersion);
  out.varint(letter.number);
  out.text(letter.sink);
  out.text(letter.job_id);
  out.text(letter.series);
  out.signed_varint(engine::epoch_ms(letter.timestamp));
  const engine::Value::Bits bits = letter.value.held_bits();
  out.byte(bits.is_count ? 1 : 0);
  out.fixed64(bits.bits);
  out.varint(letter.revision);
  out.text(letter.reason);
  out.signed_varint(engine::epoch_ms(letter.refused_at));
  return std::move(out).take();
}

engine::Result<DeadLetter> decode_dead_letter(std::string_view bytes) {
  engine::ByteReader in{bytes};
  if (const std::uint8_t version = in.byte(); version != kVersion) {
    return engine::corrupt("dead letter: format version " + std::to_string(version) + " is not known here");
  }
  DeadLetter letter;
  letter.number = in.varint();
  letter.sink = std::string{in.text()};
  letter.job_id = std::string{in.text()};
  letter.series = std::string{in.text()};
  letter.timestamp = engine::from_epoch_ms(in.signed_varint());
  const bool is_count = in.byte() != 0;
  letter.value = engine::Value::from_bits({.is_count = is_count, .bits = in.fixed64()});
  letter.revision = static_cast<std::uint32_t>(in.varint_up_to(0xffff'ffffu));
  letter.reason = std::string{in.text()};
  letter.refused_at = engine::from_epoch_ms(in.signed_varint());
  if (!in.done()) {
    return engine::corrupt("dead letter: " + std::to_string(bytes.size()) + " bytes that do not decode");
  }
  return letter;
}

}  // namespace settle::runner
