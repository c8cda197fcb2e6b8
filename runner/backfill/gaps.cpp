#include "runner/backfill/gaps.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/model/bytes.hpp"
#include "runner/store/keys.hpp"

namespace settle::runner {

using engine::ByteReader;
using engine::ByteWriter;
using engine::GapCell;
using engine::Value;

namespace {

constexpr std::uint8_t kVersion = 2;

void write_value(ByteWriter& out, const Value& value) {
  const Value::Bits bits = value.held_bits();
  out.byte(bits.is_count ? 1 : 0);
  if (bits.is_count) {
    out.varint(bits.bits);
  } else {
    out.fixed64(bits.bits);
  }
}

Value read_value(ByteReader& in) {
  const bool is_count = in.byte() != 0;
  return Value::from_bits({.is_count = is_count, .bits = is_count ? in.varint() : in.fixed64()});
}

void write_time(ByteWriter& out, const std::optional<engine::Time>& at) {
  out.byte(at ? 1 : 0);
  if (at) {
    out.signed_varint(engine::epoch_ms(*at));
  }
}

std::optional<engine::Time> read_time(ByteReader& in) {
  if (in.byte() == 0) {
    return std::nullopt;
  }
  return engine::from_epoch_ms(in.signed_varint());
}

void read_cells(ByteReader& in, std::vector<GapCell>& cells) {
  const std::size_t count = in.count(6);
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    GapCell cell;
    cell.series = in.varint();
    cell.bucket = engine::from_epoch_ms(in.signed_varint());
    cell.revision = static_cast<std::uint32_t>(in.varint_up_to(0xffff'ffffu));
    cell.last_observed = read_value(in);
    if (in.byte() != 0) {
      cell.emitted = read_value(in);
    }
    cells.push_back(cell);
  }
}

}  // namespace

std::string encode_gap(const GapEntry& entry) {
  ByteWriter out;
  out.byte(kVersion);
  out.byte(static_cast<std::uint8_t>(entry.state));
  out.text(entry.gap.scope);
  out.signed_varint(engine::epoch_ms(entry.gap.range.from));
  out.signed_varint(engine::epoch_ms(entry.gap.range.to));
  out.signed_varint(engine::epoch_ms(entry.noticed_at));
  out.varint(entry.gap.cells.size());
  for (const GapCell& cell : entry.gap.cells) {
    out.varint(cell.series);
    out.signed_varint(engine::epoch_ms(cell.bucket));
    out.varint(cell.revision);
    write_value(out, cell.last_observed);
    out.byte(cell.emitted ? 1 : 0);
    if (cell.emitted) {
      write_value(out, *cell.emitted);
    }
  }
  out.text(entry.job_id);
  out.text(entry.reason);
  out.varint(std::max<std::uint64_t>(entry.cells_seen, entry.gap.cells.size()));
  out.varint(entry.attempts);
  out.text(entry.last_error);
  write_time(out, entry.closed_at);
  return std::move(out).take();
}

engine::Result<GapEntry> decode_gap(std::string_view bytes) {
  ByteReader in{bytes};
  const std::uint8_t version = in.byte();
  if (version == 0 || version > kVersion) {
    return engine::corrupt("gap entry: format version " + std::to_string(version) + " is not known here");
  }
  GapEntry entry;
  const std::uint8_t state = in.byte();
  entry.state = static_cast<GapState>(state);
  entry.gap.scope = std::string{in.text()};
  entry.gap.range.from = engine::from_epoch_ms(in.signed_varint());
  entry.gap.range.to = engine::from_epoch_ms(in.signed_varint());
  entry.noticed_at = engine::from_epoch_ms(in.signed_varint());
  read_cells(in, entry.gap.cells);
  entry.cells_seen = entry.gap.cells.size();
  if (version >= 2) {
    entry.job_id = std::string{in.text()};
    entry.reason = std::string{in.text()};
    entry.cells_seen = in.varint();
    entry.attempts = static_cast<std::uint32_t>(in.varint_up_to(0xffff'ffffu));
    entry.last_error = std::string{in.text()};
    entry.closed_at = read_time(in);
  }
  const bool known_state =
      state >= static_cast<std::uint8_t>(GapState::open) &&
      state <= static_cast<std::uint8_t>(version == 1 ? GapState::open : GapState::impossible);
  if (!in.done() || !known_state) {
    return engine::corrupt("gap entry: " + std::to_string(bytes.size()) + " bytes that do not decode");
  }
  return entry;
}

StoredGap read_gap(const Store& store, const std::string& key) {
  const ReadTransaction view = store.read();
  const auto bytes = view.get(Table::gaps, key);
  engine::Result<GapEntry> entry = bytes ? decode_gap(*bytes) : engine::Result<GapEntry>{GapEntry{}};
  return entry ? StoredGap{.entry = *std::move(entry), .record = std::string{bytes.value_or("")}}
               : StoredGap{};
}

std::string gap_key_of(std::string_view tenant, std::string_view stream, const GapEntry& entry) {
  std::string key = gap_key(tenant, stream, entry.gap.range.from, entry.gap.scope);
  return entry.job_id.empty() ? key : key + '\0' + entry.job_id;
}

void put_gap(WriteBatch& batch, std::string_view tenant, std::string_view stream, const GapEntry& entry) {
  batch.put(Table::gaps, gap_key_of(tenant, stream, entry), encode_gap(entry));
}

}  // namespace settle::runner
