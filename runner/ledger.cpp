#include "runner/ledger.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <limits>
#include <utility>

#include "engine/model/bytes.hpp"
#include "runner/keys.hpp"

namespace settle::runner {
namespace {

constexpr std::uint8_t kBlockVersion = 2;  // 1 has neither corrections nor replaced values
constexpr std::uint8_t kBlockVersionMin = 1;
constexpr std::size_t kSampleBytesMin = 7;  // one byte in every column but the bitmap
constexpr std::uint64_t kU32Max = std::numeric_limits<std::uint32_t>::max();

// Differences wrap on purpose: every pair of 64-bit numbers has one, and adding it back wraps to the same
// place.
std::int64_t difference(std::uint64_t from, std::uint64_t to) {
  return static_cast<std::int64_t>(to - from);
}

void encode_texts(engine::ByteWriter& out, const std::vector<std::string>& texts) {
  out.varint(texts.size());
  for (const std::string& text : texts) out.text(text);
}

void encode_value(engine::ByteWriter& out, const engine::Value& value) {
  const auto held = value.held_bits();
  if (held.is_count) {
    out.varint(held.bits);
  } else {
    out.fixed64(held.bits);
  }
}

/// Few samples replace another value: those that do are named.
void encode_replaced(engine::ByteWriter& out, const std::vector<engine::Sample>& samples) {
  const auto replaces = [](const engine::Sample& sample) { return sample.replaced.has_value(); };
  out.varint(static_cast<std::uint64_t>(std::count_if(samples.begin(), samples.end(), replaces)));
  std::size_t next = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (!samples[i].replaced) continue;
    out.varint(i - std::exchange(next, i + 1));
    out.byte(samples[i].replaced->is_count() ? 1 : 0);
    encode_value(out, *samples[i].replaced);
  }
}

void encode_samples(engine::ByteWriter& out, const std::vector<engine::Sample>& samples) {
  out.varint(samples.size());
  std::uint64_t series = 0;
  for (const auto& sample : samples) {
    out.signed_varint(difference(std::exchange(series, sample.series), sample.series));
  }
  std::uint64_t bucket = 0;
  for (const auto& sample : samples) {
    const auto at = static_cast<std::uint64_t>(engine::epoch_ms(sample.bucket));
    out.signed_varint(difference(std::exchange(bucket, at), at));
  }
  for (std::size_t i = 0; i < samples.size(); i += 8) {
    unsigned counts = 0;
    for (std::size_t j = i; j < std::min(i + 8, samples.size()); ++j) {
      if (samples[j].value.is_count()) counts |= 1u << (j - i);
    }
    out.byte(static_cast<std::uint8_t>(counts));
  }
  for (const auto& sample : samples) encode_value(out, sample.value);
  for (const auto& sample : samples) out.varint(sample.revision);
  for (const auto& sample : samples) out.byte(static_cast<std::uint8_t>(sample.reason));
  std::uint64_t age = 0;
  for (const auto& sample : samples) {
    const auto at = static_cast<std::uint64_t>(sample.age.count());
    out.signed_varint(difference(std::exchange(age, at), at));
  }
  for (const auto& sample : samples) out.varint(sample.evidence_polls);
  encode_replaced(out, samples);
}

std::vector<std::string> decode_texts(engine::ByteReader& in) {
  std::vector<std::string> texts(in.count(1));
  for (std::string& text : texts) text = in.text();
  return texts;
}

engine::Value decode_value(engine::ByteReader& in, bool is_count) {
  if (is_count) return engine::Value::count(in.varint());
  const std::uint64_t bits = in.fixed64();
  const engine::Value value = engine::Value::number(std::bit_cast<double>(bits));
  const engine::Value::Bits held = value.held_bits();
  if (held.is_count || held.bits != bits) in.fail();  // one number has one form
  return value;
}

engine::Reason decode_reason(engine::ByteReader& in) {
  const std::uint8_t reason = in.byte();
  if (reason < static_cast<std::uint8_t>(engine::Reason::settled) ||
      reason > static_cast<std::uint8_t>(engine::Reason::stale)) {
    in.fail();
    return engine::Reason::settled;
  }
  return static_cast<engine::Reason>(reason);
}

void decode_replaced(engine::ByteReader& in, std::vector<engine::Sample>& samples) {
  const std::size_t count = in.count(3);
  std::size_t next = 0;
  for (std::size_t one = 0; one < count; ++one) {
    const std::uint64_t step = in.varint();
    if (next >= samples.size() || step >= samples.size() - next) return in.fail();
    const std::uint8_t kind = in.byte();
    if (kind > 1) return in.fail();
    samples[next + step].replaced = decode_value(in, kind == 1);
    next += step + 1;
  }
}

std::vector<engine::Sample> decode_samples(engine::ByteReader& in, std::uint8_t version) {
  std::vector<engine::Sample> samples(in.count(kSampleBytesMin));
  std::uint64_t series = 0;
  for (auto& sample : samples) sample.series = series += static_cast<std::uint64_t>(in.signed_varint());
  std::uint64_t bucket = 0;
  for (auto& sample : samples) {
    bucket += static_cast<std::uint64_t>(in.signed_varint());
    sample.bucket = engine::from_epoch_ms(static_cast<std::int64_t>(bucket));
  }
  const std::string_view counts = in.raw((samples.size() + 7) / 8);
  for (std::size_t i = 0; i < samples.size() && !in.failed(); ++i) {
    const bool is_count = ((static_cast<std::uint8_t>(counts[i / 8]) >> (i % 8)) & 1u) != 0;
    samples[i].value = decode_value(in, is_count);
  }
  for (auto& sample : samples) sample.revision = static_cast<std::uint32_t>(in.varint_up_to(kU32Max));
  for (auto& sample : samples) sample.reason = decode_reason(in);
  std::uint64_t age = 0;
  for (auto& sample : samples) {
    age += static_cast<std::uint64_t>(in.signed_varint());
    sample.age = engine::Duration{static_cast<std::int64_t>(age)};
  }
  for (auto& sample : samples) sample.evidence_polls = static_cast<std::uint32_t>(in.varint_up_to(kU32Max));
  if (version > 1) decode_replaced(in, samples);
  return samples;
}

}  // namespace

std::string encode_block(const LedgerBlock& block) {
  engine::ByteWriter out;
  out.byte(kBlockVersion);
  out.text(block.tenant);
  out.text(block.job_id);
  out.text(block.stream_id);
  out.text(block.policy);
  out.text(block.record);
  out.varint(block.labels.size());
  for (const engine::Label& label : block.labels) {
    out.text(label.name);
    out.text(label.value);
  }
  encode_texts(out, block.sinks);
  out.signed_varint(block.stamp_offset.count());
  out.byte(static_cast<std::uint8_t>(block.corrections));
  encode_samples(out, block.samples);
  return std::move(out).take();
}

engine::Result<LedgerBlock> decode_block(std::string_view bytes) {
  engine::ByteReader in{bytes};
  const std::uint8_t version = in.byte();
  if (!in.failed() && (version < kBlockVersionMin || version > kBlockVersion)) {
    return engine::corrupt("a ledger block has version " + std::to_string(version) +
                           ", this program reads 1 to 2: use the settle that wrote this store");
  }
  LedgerBlock block;
  block.tenant = in.text();
  block.job_id = in.text();
  block.stream_id = in.text();
  block.policy = in.text();
  block.record = in.text();
  block.labels.resize(in.count(2));
  for (engine::Label& label : block.labels) {
    label.name = in.text();
    label.value = in.text();
  }
  block.sinks = decode_texts(in);
  block.stamp_offset = engine::Duration{in.signed_varint()};
  if (version > 1) {
    const std::uint8_t corrections = in.byte();
    if (corrections > static_cast<std::uint8_t>(engine::Corrections::ledger)) in.fail();
    block.corrections = in.failed() ? engine::Corrections{} : engine::Corrections{corrections};
  }
  block.samples = decode_samples(in, version);
  if (!in.done()) {
    return engine::corrupt("a ledger block of " + std::to_string(bytes.size()) +
                           " bytes does not decode: the store is damaged, restore it from a backup");
  }
  return block;
}

Table ledger_table(Lane lane) {
  return lane == Lane::live ? Table::ledger : Table::backfill_ledger;
}

std::string_view lane_text(Lane lane) {
  return lane == Lane::live ? "live" : "backfill";
}

void append_to_ledger(WriteBatch& batch, LedgerBlock block, Lane lane) {
  const std::vector<engine::Sample> samples = std::exchange(block.samples, {});
  for (std::size_t from = 0; from < samples.size(); from += kLedgerBlockSamplesMax) {
    const std::size_t to = std::min(from + kLedgerBlockSamplesMax, samples.size());
    block.samples.assign(samples.begin() + static_cast<std::ptrdiff_t>(from),
                         samples.begin() + static_cast<std::ptrdiff_t>(to));
    // Counted over the whole batch, so that two calls for one job do not meet.
    const std::size_t part = batch.appended(ledger_table(lane));
    assert(part <= std::numeric_limits<std::uint16_t>::max());
    batch.append(ledger_table(lane),
                 part_suffix(block.tenant, block.job_id, static_cast<std::uint16_t>(part)),
                 encode_block(block));
  }
}

std::string output_series(std::string_view source_series, std::string_view record,
                          const engine::Labels& labels) {
  auto parsed = engine::parse_series(source_series);
  if (!parsed) return std::string{source_series};
  engine::Labels all = std::move(*parsed);
  const auto set = [&all](std::string_view name, std::string_view value) {
    const auto held =
        std::find_if(all.begin(), all.end(), [&](const auto& label) { return label.name == name; });
    if (held != all.end()) {
      held->value = value;
    } else {
      all.push_back({.name = std::string{name}, .value = std::string{value}});
    }
  };
  if (!record.empty()) set(engine::kMetricNameLabel, record);
  for (const engine::Label& label : labels) set(label.name, label.value);
  auto normal = engine::normalize_labels(std::move(all), false);
  return normal ? engine::series_text(*normal) : std::string{source_series};
}

bool goes_as_difference(const LedgerBlock& block, const engine::Sample& sample) {
  return block.corrections == engine::Corrections::ledger && sample.replaced.has_value();
}

engine::Value difference_of(const engine::Sample& sample) {
  const engine::Value& to = sample.value;
  const engine::Value& from = *sample.replaced;
  if (!to.is_count() || !from.is_count()) return engine::Value::number(to.as_double() - from.as_double());
  // Exact also where a double is not.
  if (to >= from) return engine::Value::count(to.as_count() - from.as_count());
  return engine::Value::number(-static_cast<double>(from.as_count() - to.as_count()));
}

std::string revision_series(std::string_view output, std::uint32_t revision) {
  const auto labels = engine::parse_series(output);
  const std::string name = labels ? std::string{engine::label_value(*labels, engine::kMetricNameLabel)} : "";
  const engine::Labels added{{.name = "revision", .value = std::to_string(revision)}};
  return output_series(output, name + ":revision", added);
}

namespace {

constexpr std::string_view kMarkPrefix{"mark\0", 5};

std::string mark_key(engine::Time wall) {
  const auto ms = std::max<std::int64_t>(engine::epoch_ms(wall), 0);
  return std::string{kMarkPrefix} + key_u64(static_cast<std::uint64_t>(ms));
}

}  // namespace

void put_ledger_mark(const ReadTransaction& view, engine::Time wall_now, std::uint64_t last_sequence,
                     WriteBatch& batch) {
  bool recent = false;
  view.scan(Table::meta, mark_key(wall_now - kLedgerMarkEvery), prefix_end(kMarkPrefix),
            [&recent](std::string_view, std::string_view) {
              recent = true;
              return false;
            });
  if (!recent) {
    batch.put(Table::meta, mark_key(wall_now), key_u64(last_sequence));
  }
}

std::uint64_t sequence_reached(const ReadTransaction& view, engine::Time wall) {
  std::uint64_t sequence = 0;
  view.scan(Table::meta, kMarkPrefix, mark_key(wall), [&sequence](std::string_view, std::string_view value) {
    sequence = value.size() == 8 ? read_u64(value) : sequence;
    return true;
  });
  return sequence;
}

void erase_ledger_marks(engine::Time before, WriteBatch& batch) {
  batch.erase_range(Table::meta, std::string{kMarkPrefix}, mark_key(before));
}

}  // namespace settle::runner
