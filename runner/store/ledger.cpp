#include "runner/store/ledger.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <span>
#include <utility>

#include "engine/model/bytes.hpp"
#include "runner/store/keys.hpp"

namespace settle::runner {
namespace {

constexpr std::uint8_t kBlockVersion =
    3;  // 2 has all samples in full, 1 neither corrections nor replaced values
constexpr std::uint8_t kBlockVersionMin = 1;

void encode_texts(engine::ByteWriter& out, const std::vector<std::string>& texts) {
  out.varint(texts.size());
  for (const std::string& text : texts) out.text(text);
}

std::vector<std::string> decode_texts(engine::ByteReader& in) {
  std::vector<std::string> texts(in.count(1));
  for (std::string& text : texts) text = in.text();
  return texts;
}

/// All but the samples.
void encode_head(engine::ByteWriter& out, const LedgerBlock& block) {
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
}

/// Gives the version; 0: none that is known.
std::uint8_t decode_head(engine::ByteReader& in, LedgerBlock& block) {
  const std::uint8_t version = in.byte();
  if (in.failed() || version < kBlockVersionMin || version > kBlockVersion) return 0;
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
  return version;
}

engine::Error unreadable(std::string_view bytes, std::uint8_t version) {
  if (version == 0 && !bytes.empty()) {
    return engine::corrupt("a ledger block has version " +
                           std::to_string(static_cast<std::uint8_t>(bytes.front())) +
                           ", this program reads 1 to 3: use the settle that wrote this store");
  }
  return engine::corrupt("a ledger block of " + std::to_string(bytes.size()) +
                         " bytes does not decode: the store is damaged, restore it from a backup");
}

std::string encode_part(const LedgerBlock& block, std::span<const engine::Sample> samples) {
  engine::ByteWriter out;
  encode_head(out, block);
  encode_samples(out, samples);
  return std::move(out).take();
}

}  // namespace

std::string encode_block(const LedgerBlock& block) {
  return encode_part(block, block.samples);
}

engine::Result<LedgerBlock> decode_block(std::string_view bytes) {
  engine::ByteReader in{bytes};
  LedgerBlock block;
  const std::uint8_t version = decode_head(in, block);
  if (version == 0) return unreadable(bytes, version);
  block.samples = version < 3 ? decode_samples_in_full(in, version > 1) : decode_samples(in);
  if (!in.done()) return unreadable(bytes, version);
  return block;
}

engine::Result<LedgerOutline> outline_block(std::string_view bytes) {
  engine::ByteReader in{bytes};
  LedgerOutline out;
  const std::uint8_t version = decode_head(in, out.head);
  if (version == 0) return unreadable(bytes, version);
  out.samples = version < 3 ? outline_samples(decode_samples_in_full(in, version > 1)) : read_outline(in);
  if (in.failed()) return unreadable(bytes, version);
  return out;
}

Table ledger_table(Lane lane) {
  return lane == Lane::live ? Table::ledger : Table::backfill_ledger;
}

std::string_view lane_text(Lane lane) {
  return lane == Lane::live ? "live" : "backfill";
}

void append_to_ledger(WriteBatch& batch, const LedgerBlock& block, Lane lane) {
  const std::span<const engine::Sample> samples{block.samples};
  for (std::size_t from = 0; from < samples.size(); from += kLedgerBlockSamplesMax) {
    const auto some = samples.subspan(from, std::min(kLedgerBlockSamplesMax, samples.size() - from));
    // Counted over the whole batch, so that two calls for one job do not meet.
    const std::size_t part = batch.appended(ledger_table(lane));
    assert(part <= std::numeric_limits<std::uint16_t>::max());
    batch.append(ledger_table(lane),
                 part_suffix(block.tenant, block.job_id, static_cast<std::uint16_t>(part)),
                 encode_part(block, some));
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
