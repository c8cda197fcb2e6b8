#include "runner/backfill/backfill_record.hpp"

#include <bit>
#include <utility>

#include "engine/model/bytes.hpp"
#include "runner/store/keys.hpp"

namespace settle::runner {

using engine::ByteReader;
using engine::ByteWriter;
using engine::Duration;
using engine::Time;
using engine::TimeRange;

namespace {

constexpr std::uint8_t kVersion = 2;

void write_time(ByteWriter& out, Time at) {
  out.signed_varint(engine::epoch_ms(at));
}
Time read_time(ByteReader& in) {
  return engine::from_epoch_ms(in.signed_varint());
}

void write_optional(ByteWriter& out, const std::optional<Time>& at) {
  out.byte(at ? 1 : 0);
  if (at) {
    write_time(out, *at);
  }
}
std::optional<Time> read_optional(ByteReader& in) {
  return in.byte() == 0 ? std::nullopt : std::optional{read_time(in)};
}

void write_ranges(ByteWriter& out, const engine::Ranges& ranges) {
  out.varint(ranges.list().size());
  for (const TimeRange& range : ranges.list()) {
    write_time(out, range.from);
    write_time(out, range.to);
  }
}
engine::Ranges read_ranges(ByteReader& in) {
  engine::Ranges ranges;
  const std::size_t count = in.count(2);
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    const Time from = read_time(in);
    const Time to = read_time(in);
    ranges.add({from, to});
  }
  return ranges;
}

void write_request(ByteWriter& out, const BackfillRequest& request) {
  write_time(out, request.range.from);
  write_time(out, request.range.to);
  out.signed_varint(request.chunk ? request.chunk->count() : 0);
  out.fixed64(std::bit_cast<std::uint64_t>(request.rate.value_or(0)));
  out.byte(request.force ? 1 : 0);
}

BackfillRequest read_request(ByteReader& in) {
  BackfillRequest request;
  request.range.from = read_time(in);
  request.range.to = read_time(in);
  const std::int64_t chunk = in.signed_varint();
  if (chunk > 0) {
    request.chunk = Duration{chunk};
  }
  const auto rate = std::bit_cast<double>(in.fixed64());
  if (rate > 0) {
    request.rate = rate;
  }
  request.force = in.byte() != 0;
  return request;
}

}  // namespace

bool is_over(BackfillState state) {
  return state == BackfillState::done || state == BackfillState::cancelled || state == BackfillState::failed;
}

engine::Ranges done_of(const BackfillRecord& record) {
  engine::Ranges done = record.planned;
  done.remove(record.todo);
  return done;
}

std::string backfill_key(const BackfillRecord& record) {
  return key_of(record.tenant, record.job_id) + record.id;
}

std::string encode_backfill(const BackfillRecord& record) {
  ByteWriter out;
  out.byte(kVersion);
  out.text(record.tenant);
  out.text(record.job_id);
  out.text(record.id);
  out.text(record.stream_id);
  out.byte(static_cast<std::uint8_t>(record.state));
  write_request(out, record.request);
  write_time(out, record.end_effective);
  write_ranges(out, record.todo);
  out.byte(record.served ? 1 : 0);
  for (const std::uint64_t count :
       {record.buckets_total, record.buckets_impossible, record.samples, record.held_back, record.errors}) {
    out.varint(count);
  }
  out.text(record.last_error);
  write_optional(out, record.last_error_at);
  write_time(out, record.created_at);
  write_optional(out, record.finished_at);
  write_ranges(out, record.planned);
  write_optional(out, record.paced_until);
  out.signed_varint(record.pace.count());
  return std::move(out).take();
}

engine::Result<BackfillRecord> decode_backfill(std::string_view bytes) {
  ByteReader in{bytes};
  const std::uint8_t version = in.byte();
  if (version < 1 || version > kVersion) {
    return engine::corrupt("backfill: format version " + std::to_string(version) + " is not known here");
  }
  BackfillRecord record;
  record.tenant = in.text();
  record.job_id = in.text();
  record.id = in.text();
  record.stream_id = in.text();
  const std::uint8_t state = in.byte();
  record.state = static_cast<BackfillState>(state);
  record.request = read_request(in);
  record.end_effective = read_time(in);
  record.todo = read_ranges(in);
  record.served = in.byte() != 0;
  for (std::uint64_t* count : {&record.buckets_total, &record.buckets_impossible, &record.samples,
                               &record.held_back, &record.errors}) {
    *count = in.varint();
  }
  record.last_error = in.text();
  record.last_error_at = read_optional(in);
  record.created_at = read_time(in);
  record.finished_at = read_optional(in);
  if (version == 1) {
    record.planned = record.todo;  // what it has done is not known: read again, and not sent again
  } else {
    record.planned = read_ranges(in);
    record.paced_until = read_optional(in);
    record.pace = Duration{in.signed_varint()};
  }
  const bool known_state = state >= static_cast<std::uint8_t>(BackfillState::queued) &&
                           state <= static_cast<std::uint8_t>(BackfillState::failed);
  if (!in.done() || !known_state) {
    return engine::corrupt("backfill: " + std::to_string(bytes.size()) + " bytes that do not decode");
  }
  return record;
}

}  // namespace settle::runner
