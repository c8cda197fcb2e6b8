#include "runner/store/ledger_samples.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>
#include <utility>

namespace settle::runner {

using engine::ByteReader;
using engine::ByteWriter;
using engine::Sample;

namespace {

constexpr std::size_t kFullSampleBytesMin = 7;  // one byte in every column but the bitmap
constexpr std::uint64_t kU32Max = std::numeric_limits<std::uint32_t>::max();

// On disk.
enum class ColumnForm : std::uint8_t { plain = 0, runs = 1 };
enum class Kinds : std::uint8_t { doubles = 0, counts = 1, mixed = 2 };

/// Numbers of one column, and the memory for them.
using Column = std::vector<std::uint64_t>;

std::uint64_t ms_of(engine::Time at) {
  return static_cast<std::uint64_t>(engine::epoch_ms(at));
}
std::uint64_t instant_of(const Sample& sample) {
  return ms_of(sample.bucket) + static_cast<std::uint64_t>(sample.age.count());
}

std::uint64_t zigzag(std::uint64_t difference) {
  return (difference << 1) ^ (static_cast<std::int64_t>(difference) < 0 ? ~std::uint64_t{0} : 0);
}
std::uint64_t unzigzag(std::uint64_t bits) {
  return (bits >> 1) ^ (~(bits & 1) + 1);
}

/// What `of` gives of each sample, as differences to the one before, the first to 0. They wrap on purpose:
/// every pair of 64-bit numbers has a difference, and adding it back wraps to the same place.
template <class Of>
void take_differences(std::span<const Sample> samples, Of of, Column& column) {
  std::uint64_t before = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const std::uint64_t now = of(samples[i]);
    column[i] = zigzag(now - before);
    before = now;
  }
}
template <class Of>
void take_numbers(std::span<const Sample> samples, Of of, Column& column) {
  for (std::size_t i = 0; i < samples.size(); ++i) column[i] = of(samples[i]);
}

void encode_column(ByteWriter& out, const Column& column) {
  std::size_t runs = 1;
  for (std::size_t i = 1; i < column.size(); ++i) runs += column[i] != column[i - 1] ? 1 : 0;
  if (2 * runs > column.size()) {
    out.byte(static_cast<std::uint8_t>(ColumnForm::plain));
    for (const std::uint64_t number : column) out.varint(number);
    return;
  }
  out.byte(static_cast<std::uint8_t>(ColumnForm::runs));
  for (std::size_t from = 0; from < column.size();) {
    std::size_t to = from + 1;
    while (to < column.size() && column[to] == column[from]) ++to;
    out.varint(column[from]);
    out.varint(to - std::exchange(from, to));
  }
}

void decode_column(ByteReader& in, Column& column) {
  const std::uint8_t form = in.byte();
  if (form == static_cast<std::uint8_t>(ColumnForm::plain)) {
    for (std::uint64_t& number : column) number = in.varint();
    return;
  }
  if (form != static_cast<std::uint8_t>(ColumnForm::runs)) return in.fail();
  for (std::size_t at = 0; at < column.size() && !in.failed();) {
    const std::uint64_t number = in.varint();
    const std::uint64_t length = in.varint();
    if (length == 0 || length > column.size() - at) return in.fail();
    std::fill_n(column.begin() + static_cast<std::ptrdiff_t>(at), length, number);
    at += length;
  }
}

/// A column of numbers < `end`.
void decode_column(ByteReader& in, Column& column, std::uint64_t end) {
  decode_column(in, column);
  if (!std::all_of(column.begin(), column.end(), [end](std::uint64_t n) { return n < end; })) in.fail();
}

void encode_value(ByteWriter& out, const engine::Value& value) {
  const auto held = value.held_bits();
  if (held.is_count) {
    out.varint(held.bits);
  } else {
    out.fixed64(held.bits);
  }
}

engine::Value decode_value(ByteReader& in, bool is_count) {
  if (is_count) return engine::Value::count(in.varint());
  const std::uint64_t bits = in.fixed64();
  const engine::Value value = engine::Value::number(std::bit_cast<double>(bits));
  const engine::Value::Bits held = value.held_bits();
  if (held.is_count || held.bits != bits) in.fail();  // one number has one form
  return value;
}

/// One bit for each sample: is its value a count?
void encode_kinds(ByteWriter& out, std::span<const Sample> samples) {
  for (std::size_t i = 0; i < samples.size(); i += 8) {
    unsigned counts = 0;
    for (std::size_t j = i; j < std::min(i + 8, samples.size()); ++j) {
      if (samples[j].value.is_count()) counts |= 1u << (j - i);
    }
    out.byte(static_cast<std::uint8_t>(counts));
  }
}

void encode_values(ByteWriter& out, std::span<const Sample> samples) {
  const auto counts = static_cast<std::size_t>(
      std::count_if(samples.begin(), samples.end(), [](const Sample& one) { return one.value.is_count(); }));
  const bool mixed = counts != 0 && counts != samples.size();
  const Kinds kinds = mixed ? Kinds::mixed : counts == 0 ? Kinds::doubles : Kinds::counts;
  out.byte(static_cast<std::uint8_t>(kinds));
  if (mixed) encode_kinds(out, samples);
  for (const Sample& sample : samples) encode_value(out, sample.value);
}

void decode_mixed_values(ByteReader& in, std::vector<Sample>& samples) {
  const std::string_view counts = in.raw((samples.size() + 7) / 8);
  for (std::size_t i = 0; i < samples.size() && !in.failed(); ++i) {
    const bool is_count = ((static_cast<std::uint8_t>(counts[i / 8]) >> (i % 8)) & 1u) != 0;
    samples[i].value = decode_value(in, is_count);
  }
}

void decode_values(ByteReader& in, std::vector<Sample>& samples) {
  const std::uint8_t kinds = in.byte();
  if (kinds == static_cast<std::uint8_t>(Kinds::mixed)) return decode_mixed_values(in, samples);
  if (kinds > static_cast<std::uint8_t>(Kinds::mixed)) return in.fail();
  const bool are_counts = kinds == static_cast<std::uint8_t>(Kinds::counts);
  for (Sample& sample : samples) sample.value = decode_value(in, are_counts);
}

/// Few samples replace another value: those that do are named.
void encode_replaced(ByteWriter& out, std::span<const Sample> samples) {
  const auto replaces = [](const Sample& sample) { return sample.replaced.has_value(); };
  out.varint(static_cast<std::uint64_t>(std::count_if(samples.begin(), samples.end(), replaces)));
  std::size_t next = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (!samples[i].replaced) continue;
    out.varint(i - std::exchange(next, i + 1));
    out.byte(samples[i].replaced->is_count() ? 1 : 0);
    encode_value(out, *samples[i].replaced);
  }
}

void decode_replaced(ByteReader& in, std::vector<Sample>& samples) {
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

bool is_reason(std::uint64_t number) {
  return number >= static_cast<std::uint64_t>(engine::Reason::settled) &&
         number <= static_cast<std::uint64_t>(engine::Reason::stale);
}

engine::Reason decode_reason(ByteReader& in) {
  const std::uint8_t reason = in.byte();
  if (is_reason(reason)) return static_cast<engine::Reason>(reason);
  in.fail();
  return engine::Reason::settled;
}

}  // namespace

SamplesOutline outline_samples(std::span<const Sample> samples) {
  SamplesOutline out;
  out.count = samples.size();
  if (samples.empty()) return out;
  out.bucket_min = out.bucket_max = samples.front().bucket;
  for (const Sample& sample : samples) {
    out.bucket_min = std::min(out.bucket_min, sample.bucket);
    out.bucket_max = std::max(out.bucket_max, sample.bucket);
    out.revision_max = std::max(out.revision_max, sample.revision);
  }
  return out;
}

SamplesOutline read_outline(ByteReader& in) {
  SamplesOutline out;
  out.count = in.count(1);
  if (out.count == 0) return out;
  const std::int64_t from = in.signed_varint();
  out.bucket_min = engine::from_epoch_ms(from);
  out.bucket_max =
      engine::from_epoch_ms(static_cast<std::int64_t>(static_cast<std::uint64_t>(from) + in.varint()));
  out.revision_max = static_cast<std::uint32_t>(in.varint_up_to(kU32Max));
  return out;
}

void encode_samples(ByteWriter& out, std::span<const Sample> samples) {
  out.varint(samples.size());
  if (samples.empty()) return;
  const SamplesOutline outline = outline_samples(samples);
  out.signed_varint(engine::epoch_ms(outline.bucket_min));
  out.varint(ms_of(outline.bucket_max) - ms_of(outline.bucket_min));
  out.varint(outline.revision_max);
  Column column(samples.size());
  take_differences(
      samples, [](const Sample& one) { return one.series; }, column);
  encode_column(out, column);
  take_differences(
      samples, [](const Sample& one) { return ms_of(one.bucket); }, column);
  encode_column(out, column);
  encode_values(out, samples);
  take_numbers(
      samples, [](const Sample& one) { return one.revision; }, column);
  encode_column(out, column);
  take_numbers(
      samples, [](const Sample& one) { return static_cast<std::uint64_t>(one.reason); }, column);
  encode_column(out, column);
  // All that a tick or a chunk emits it emits at one instant.
  take_differences(samples, instant_of, column);
  encode_column(out, column);
  take_numbers(
      samples, [](const Sample& one) { return one.evidence_polls; }, column);
  encode_column(out, column);
  encode_replaced(out, samples);
}

std::vector<Sample> decode_samples(ByteReader& in) {
  const SamplesOutline outline = read_outline(in);
  std::vector<Sample> samples(outline.count);
  if (samples.empty()) return samples;
  Column column(outline.count);
  std::uint64_t sum = 0;
  decode_column(in, column);
  for (std::size_t i = 0; i < samples.size(); ++i) samples[i].series = sum += unzigzag(column[i]);
  sum = 0;
  decode_column(in, column);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    sum += unzigzag(column[i]);
    samples[i].bucket = engine::from_epoch_ms(static_cast<std::int64_t>(sum));
  }
  decode_values(in, samples);
  decode_column(in, column, kU32Max + 1);
  for (std::size_t i = 0; i < samples.size(); ++i)
    samples[i].revision = static_cast<std::uint32_t>(column[i]);
  decode_column(in, column);
  if (!std::all_of(column.begin(), column.end(), is_reason)) in.fail();
  for (std::size_t i = 0; i < samples.size() && !in.failed(); ++i) {
    samples[i].reason = static_cast<engine::Reason>(column[i]);
  }
  sum = 0;
  decode_column(in, column);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    sum += unzigzag(column[i]);
    samples[i].age = engine::Duration{static_cast<std::int64_t>(sum - ms_of(samples[i].bucket))};
  }
  decode_column(in, column, kU32Max + 1);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    samples[i].evidence_polls = static_cast<std::uint32_t>(column[i]);
  }
  decode_replaced(in, samples);
  if (outline_samples(samples) != outline) in.fail();  // others go by it
  return samples;
}

std::vector<Sample> decode_samples_in_full(ByteReader& in, bool with_replaced) {
  std::vector<Sample> samples(in.count(kFullSampleBytesMin));
  std::uint64_t series = 0;
  for (Sample& sample : samples) sample.series = series += static_cast<std::uint64_t>(in.signed_varint());
  std::uint64_t bucket = 0;
  for (Sample& sample : samples) {
    bucket += static_cast<std::uint64_t>(in.signed_varint());
    sample.bucket = engine::from_epoch_ms(static_cast<std::int64_t>(bucket));
  }
  decode_mixed_values(in, samples);
  for (Sample& sample : samples) sample.revision = static_cast<std::uint32_t>(in.varint_up_to(kU32Max));
  for (Sample& sample : samples) sample.reason = decode_reason(in);
  std::uint64_t age = 0;
  for (Sample& sample : samples) {
    age += static_cast<std::uint64_t>(in.signed_varint());
    sample.age = engine::Duration{static_cast<std::int64_t>(age)};
  }
  for (Sample& sample : samples) sample.evidence_polls = static_cast<std::uint32_t>(in.varint_up_to(kU32Max));
  if (with_replaced) decode_replaced(in, samples);
  return samples;
}

}  // namespace settle::runner
