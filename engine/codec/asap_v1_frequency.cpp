#include "engine/codec/asap_v1_frequency.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "engine/sketch/matrix_kernels.hpp"

namespace settle::codec {

namespace {

using sketch::CellSign;
using sketch::Key;
using sketch::KeyKind;
using sketch::MatrixShape;
using sketch::MatrixSketch;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

engine::Error wrong(std::string_view what) {
  return engine::refused("not a sketch of ASAPv1: " + std::string{what});
}

enum class KeyType : std::uint8_t { i64, u64, f32, f64, text, binary };

std::optional<KeyType> key_type(std::string_view name) {
  for (const std::string_view one : {"i8", "i16", "i32", "i64", "isize"}) {
    if (name == one) return KeyType::i64;
  }
  for (const std::string_view one : {"u8", "u16", "u32", "u64", "usize"}) {
    if (name == one) return KeyType::u64;
  }
  if (name == "f32") return KeyType::f32;
  if (name == "f64") return KeyType::f64;
  if (name == "string") return KeyType::text;
  if (name == "bytes") return KeyType::binary;
  return std::nullopt;
}

/// The next key; its bytes, as they are hashed, lie in the message or in `number`.
Key read_key(MsgpackReader& in, KeyType type, std::array<char, 8>& number) {
  const auto as_bytes = [&](auto value, KeyKind kind) {
    std::memcpy(number.data(), &value, sizeof value);
    return Key{{number.data(), sizeof value}, kind};
  };
  switch (type) {
    case KeyType::i64:
      return as_bytes(in.i64(), KeyKind::i64);
    case KeyType::u64:
      return as_bytes(in.u64(), KeyKind::u64);
    case KeyType::f32:
      return as_bytes(in.f32(), KeyKind::f32);
    case KeyType::f64:
      return as_bytes(in.f64(), KeyKind::f64);
    case KeyType::text:
      return {in.text()};
    case KeyType::binary:
      break;
  }
  return {in.binary()};
}

struct Metadata {
  MatrixShape shape;
  bool real = false;  // cells are f64
  std::uint64_t k = 0;
  KeyType keys = KeyType::text;
};

engine::Result<Metadata> read_metadata(std::string_view bytes, bool heap) {
  MsgpackReader in{bytes};
  Metadata metadata;
  const std::size_t keys = in.map();
  read_hash_profile(in, "matrix_seed_index", 0);
  in.expect("rows");
  metadata.shape.rows = static_cast<std::uint32_t>(std::min<std::uint64_t>(in.u64(), UINT32_MAX));
  in.expect("cols");
  metadata.shape.cols = static_cast<std::uint32_t>(std::min<std::uint64_t>(in.u64(), UINT32_MAX));
  in.expect("counter_type");
  const std::string_view counter = in.text();
  metadata.real = counter == "f64";
  in.expect("mode");
  const std::string_view mode = in.text();
  metadata.shape.rule = mode == "fast" ? MatrixShape::Rule::asap_packed : MatrixShape::Rule::asap_regular;
  bool fine = keys == (heap ? 13U : 11U) && (mode == "fast" || mode == "regular") &&
              (metadata.real || counter == "i32" || counter == "i64");
  if (heap) {
    in.expect("k");
    metadata.k = in.u64();
    in.expect("key_type");
    const auto type = key_type(in.text());
    fine = fine && type.has_value();
    metadata.keys = type.value_or(KeyType::text);
  }
  if (!fine || !in.done())
    return wrong("its metadata are not those of its kind, or of other hashing than ASAP's");
  if (metadata.shape.rows > sketch::kAsapSeeds.size()) return wrong("it has more than 20 rows");
  return metadata;
}

double read_cell(MsgpackReader& in, bool real) {
  return real ? in.f64() : static_cast<double>(in.i64());
}

/// The payload is read twice: to check it, then to add it.
struct Payload {
  MsgpackReader cells;  // at the first one
  MsgpackReader keys;
  std::size_t key_count = 0;
  std::size_t key_bytes = 0;
  double least = kInfinity;  // of the heap's counts
};

engine::Result<Payload> check_payload(std::string_view bytes, const Metadata& metadata, CellSign sign,
                                      bool heap) {
  MsgpackReader in{bytes};
  const std::size_t parts = in.array();
  if (in.array() != metadata.shape.cells()) in.fail();
  Payload payload{.cells = in, .keys = in};
  for (std::size_t i = 0; i < metadata.shape.cells() && !in.failed(); ++i) {
    const double cell = read_cell(in, metadata.real);
    if (!(std::abs(cell) <= sketch::kCellMax) || (sign == CellSign::not_negative && cell < 0)) in.fail();
  }
  if (heap && !in.failed()) {
    payload.key_count = in.array();
    payload.keys = in;
    std::array<char, 8> number{};
    for (std::size_t i = 0; i < payload.key_count && !in.failed(); ++i) {
      payload.key_bytes += read_key(in, metadata.keys, number).bytes.size();
    }
    if (in.array() != payload.key_count) in.fail();
    for (std::size_t i = 0; i < payload.key_count && !in.failed(); ++i) {
      payload.least = std::min(payload.least, static_cast<double>(in.i64()));
    }
  }
  if (parts != (heap ? 3U : 1U) || payload.key_count > metadata.k || !in.done()) {
    return wrong("its payload is not that of " + metadata.shape.text());
  }
  return payload;
}

engine::Result<void> merge_matrix(MatrixSketch& into, const AsapV1& blob, CellSign sign, bool heap) {
  const auto metadata = read_metadata(blob.metadata, heap);
  if (!metadata) return metadata.error();
  const MatrixShape& shape = metadata->shape;
  if (auto fine = shape.check(); !fine) return fine;
  if (auto fits = into.matrix().fits(shape); !fits) return fits;
  auto payload = check_payload(blob.payload, *metadata, sign, heap);
  if (!payload) return payload.error();
  if (auto room = into.items().room_for(payload->key_count, payload->key_bytes); !room) return room;

  into.matrix().take_shape(shape);
  const double factor = into.matrix().join_sample_p(1);
  for (double& cell : into.matrix().cells()) cell += factor * read_cell(payload->cells, metadata->real);
  std::array<char, 8> number{};
  for (std::size_t i = 0; i < payload->key_count; ++i) {
    into.items().name(read_key(payload->keys, metadata->keys, number));
  }
  if (!heap) {
    into.items().add_absent(kInfinity);
  } else if (payload->key_count == metadata->k) {
    // Full: what is not in it was, when it was last seen, no more than the least that is.
    into.items().add_absent(std::max(0.0, payload->least) * factor);
  }
  return {};
}

}  // namespace

engine::Result<void> merge_asap_v1_count_min(sketch::CountMin& into, const AsapV1& blob, bool heap) {
  return merge_matrix(into, blob, CellSign::not_negative, heap);
}

engine::Result<void> merge_asap_v1_count_sketch(sketch::CountSketch& into, const AsapV1& blob, bool heap) {
  return merge_matrix(into, blob, CellSign::any, heap);
}

engine::Result<void> merge_asap_v1_space_saving(sketch::FrequentItems& into, const AsapV1& blob) {
  MsgpackReader metadata{blob.metadata};
  const std::size_t pairs = metadata.map();
  read_hash_profile(metadata, {}, 0);
  metadata.expect("capacity");
  const std::uint64_t capacity = metadata.u64();
  metadata.expect("key_type");
  const auto type = key_type(metadata.text());
  if (pairs != 8 || !type || !metadata.done()) return wrong("its metadata are not those of Space-Saving");

  MsgpackReader in{blob.payload};
  if (in.array() != 5) in.fail();
  const std::size_t items = in.array();
  MsgpackReader keys = in;
  std::array<char, 8> number{};
  std::size_t key_bytes = 0;
  for (std::size_t i = 0; i < items && !in.failed(); ++i)
    key_bytes += read_key(in, *type, number).bytes.size();
  if (in.array() != items) in.fail();
  MsgpackReader counts = in;
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  for (std::size_t i = 0; i < items && !in.failed(); ++i) least = std::min(least, in.u64());
  if (in.array() != items) in.fail();
  MsgpackReader errors = in;
  std::uint64_t most_off = 0;
  MsgpackReader compared = counts;
  for (std::size_t i = 0; i < items && !in.failed(); ++i) {
    const std::uint64_t error = in.u64();
    if (error > compared.u64()) in.fail();
    most_off = std::max(most_off, error);
  }
  const auto total = static_cast<double>(in.u64());
  const std::uint64_t discarded = in.u64();
  if (!in.done() || items > capacity || (items != 0 && discarded > least)) {
    return wrong("its payload is not that of Space-Saving");
  }
  if (auto room = into.items().room_for(items, key_bytes); !room) return room;

  // Of an item that is not held: what was discarded, and once all counters are in use the least of them.
  const std::uint64_t absent = items == capacity && items != 0 ? std::max(discarded, least) : discarded;
  into.items().reserve(items, key_bytes);
  for (std::size_t i = 0; i < items; ++i) {
    const Key key = read_key(keys, *type, number);
    into.items().at(key) += static_cast<double>(counts.u64() - errors.u64());
  }
  into.add_source(total, static_cast<double>(std::max(absent, most_off)));
  return {};
}

}  // namespace settle::codec
