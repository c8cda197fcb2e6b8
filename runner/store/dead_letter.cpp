#include "runner/store/dead_letter.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/model/bytes.hpp"
#include "runner/store/keys.hpp"

namespace settle::runner {

namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kNumberBytes = 8;  // at the end of a key

struct Kept {
  engine::Time refused_at;
  std::string key;
  std::uint64_t bytes = 0;
};

/// The first `most` of each sink, which are its oldest.
std::vector<Kept> oldest_of_each_sink(const ReadTransaction& view, std::size_t most) {
  std::vector<Kept> oldest;
  std::string from;
  for (;;) {
    std::string sink;
    view.scan(Table::dead_letters, from, {}, [&sink](std::string_view key, std::string_view) {
      sink = key.substr(0, key.size() - std::min(key.size(), kNumberBytes));
      return false;
    });
    if (sink.empty()) return oldest;
    std::size_t looked = 0;
    from = prefix_end(sink);
    view.scan(Table::dead_letters, sink, from, [&](std::string_view key, std::string_view value) {
      const engine::Result<DeadLetter> letter = decode_dead_letter(value);
      oldest.push_back(
          {letter ? letter->refused_at : engine::Time::min(), std::string{key}, key.size() + value.size()});
      return ++looked < most;
    });
  }
}

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

void forget_dead_letters(const ReadTransaction& view, engine::Time before, std::uint64_t surplus,
                         std::size_t erased_max, WriteBatch& batch) {
  std::vector<Kept> oldest = oldest_of_each_sink(view, erased_max);
  std::stable_sort(oldest.begin(), oldest.end(),
                   [](const Kept& one, const Kept& other) { return one.refused_at < other.refused_at; });
  oldest.resize(std::min(oldest.size(), erased_max));
  for (Kept& letter : oldest) {
    if (surplus == 0 && letter.refused_at >= before) return;
    surplus -= std::min(surplus, letter.bytes);
    batch.erase(Table::dead_letters, std::move(letter.key));
  }
}

}  // namespace settle::runner
