#include "runner/push/delivery_records.hpp"

#include <algorithm>
#include <utility>

#include "engine/model/bytes.hpp"

namespace settle::runner {

using engine::ByteReader;
using engine::ByteWriter;
using engine::Time;

namespace {

constexpr std::uint8_t kSinkRecordVersion = 1;
constexpr std::size_t kAcknowledgedBytesLeast = 5;

void write_time(ByteWriter& out, Time at) {
  out.signed_varint(engine::epoch_ms(at));
}
Time read_time(ByteReader& in) {
  return engine::from_epoch_ms(in.signed_varint());
}
void write_position(ByteWriter& out, const LedgerPosition& position) {
  out.text(position.key);
  out.varint(position.row);
}
LedgerPosition read_position(ByteReader& in) {
  LedgerPosition position;
  position.key = in.text();
  position.row = static_cast<std::uint32_t>(in.varint_up_to(UINT32_MAX));
  return position;
}

engine::Error unreadable(std::uint8_t version) {
  if (version > kSinkRecordVersion) {
    return engine::corrupt("the cursor of a sink has version " + std::to_string(version) +
                           ", written by a newer settle; this one reads up to " +
                           std::to_string(kSinkRecordVersion));
  }
  return engine::corrupt("the cursor of a sink does not decode: the store is damaged; restore a backup");
}

}  // namespace

std::string encode_sink_record(const SinkRecord& record) {
  ByteWriter out;
  out.byte(kSinkRecordVersion);
  write_position(out, record.next);
  write_position(out, record.uncertain_until);
  out.varint(record.batch_rows);
  out.varint(record.dead_letters);
  out.byte(record.overwrite ? static_cast<std::uint8_t>(static_cast<std::uint8_t>(*record.overwrite) + 1)
                            : 0);
  out.byte(record.started_at ? 1 : 0);
  write_time(out, record.started_at.value_or(Time{}));
  out.varint(record.recent.size());
  for (const Acknowledged& one : record.recent) {
    write_time(out, one.first);
    write_time(out, one.last);
    write_position(out, one.from);
    out.varint(one.rows);
  }
  return std::move(out).take();
}

engine::Result<SinkRecord> decode_sink_record(std::string_view bytes) {
  ByteReader in{bytes};
  const std::uint8_t version = in.byte();
  if (version != kSinkRecordVersion) return unreadable(version);
  SinkRecord record;
  record.next = read_position(in);
  record.uncertain_until = read_position(in);
  record.batch_rows = in.varint();
  record.dead_letters = in.varint();
  const std::uint8_t overwrite = in.byte();
  if (overwrite > 4) in.fail();
  if (overwrite > 0) record.overwrite = static_cast<sinks::Overwrite>(overwrite - 1);
  const bool has_start = in.byte() == 1;
  const Time started_at = read_time(in);
  if (has_start) record.started_at = started_at;
  record.recent.resize(in.count(kAcknowledgedBytesLeast));
  for (Acknowledged& one : record.recent) {
    one.first = read_time(in);
    one.last = read_time(in);
    one.from = read_position(in);
    one.rows = in.varint();
  }
  if (!in.done()) return unreadable(version);
  return record;
}

void remember_acknowledged(std::vector<Acknowledged>& recent, Acknowledged latest, engine::Duration grain) {
  if (!recent.empty() && latest.last - recent.back().first < grain) {
    recent.back().last = std::max(recent.back().last, latest.last);
    recent.back().rows += latest.rows;
  } else {
    recent.push_back(std::move(latest));
  }
}

std::size_t first_since(const std::vector<Acknowledged>& recent, Time since) {
  const auto found = std::find_if(recent.begin(), recent.end(),
                                  [since](const Acknowledged& one) { return one.last >= since; });
  return static_cast<std::size_t>(found - recent.begin());
}

}  // namespace settle::runner
