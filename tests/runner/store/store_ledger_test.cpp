#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "engine/model/bytes.hpp"
#include "runner/store/keys.hpp"
#include "runner/store/ledger.hpp"
#include "tests/runner/store/store_directory.hpp"

namespace settle::runner {
namespace {

engine::Value any_value(std::mt19937_64& random) {
  switch (random() % 4) {
    case 0:
      return engine::Value::count(random());
    case 1:
      return engine::Value::count(random() % 1000);
    case 2:
      return engine::Value::number(std::numeric_limits<double>::quiet_NaN());
    default:
      return engine::Value::number(static_cast<double>(static_cast<std::int64_t>(random())) / 1024.0 - 0.5);
  }
}

LedgerBlock ordinary_block() {
  LedgerBlock block;
  block.tenant = "default";
  block.job_id = "j1";
  block.stream_id = "s1";
  block.policy = "consecutive:3";
  return block;
}

LedgerBlock any_block(std::mt19937_64& random, std::size_t samples) {
  LedgerBlock block = ordinary_block();
  block.record = random() % 2 == 0 ? "" : "job:requests:rate1m";
  if (random() % 2 == 0) block.labels = {{.name = "a", .value = ""}, {.name = "b", .value = "y"}};
  block.sinks = {"builtin", "vm"};
  block.stamp_offset = engine::Duration{60'000};
  block.corrections = static_cast<engine::Corrections>(random() % 3);
  for (std::size_t i = 0; i < samples; ++i) {
    block.samples.push_back({.series = random() % 8 == 0 ? random() : i,
                             .bucket = engine::from_epoch_ms(
                                 random() % 8 == 0 ? static_cast<std::int64_t>(random()) : 1'782'000'000'000),
                             .value = any_value(random),
                             .revision = static_cast<std::uint32_t>(random() % 8 == 0 ? random() : 1),
                             .reason = static_cast<engine::Reason>(1 + random() % 6),
                             .replaced = random() % 3 == 0 ? std::optional{any_value(random)} : std::nullopt,
                             .age = engine::Duration{static_cast<std::int64_t>(random() % 1'000'000)},
                             .evidence_polls = static_cast<std::uint32_t>(random() % 9)});
  }
  return block;
}

void expect_equal(const LedgerBlock& a, const LedgerBlock& b) {
  EXPECT_EQ(a.tenant, b.tenant);
  EXPECT_EQ(a.job_id, b.job_id);
  EXPECT_EQ(a.stream_id, b.stream_id);
  EXPECT_EQ(a.policy, b.policy);
  EXPECT_EQ(a.record, b.record);
  EXPECT_EQ(a.labels, b.labels);
  EXPECT_EQ(a.sinks, b.sinks);
  EXPECT_EQ(a.stamp_offset, b.stamp_offset);
  EXPECT_EQ(a.corrections, b.corrections);
  EXPECT_EQ(a.samples, b.samples);
}

TEST(Ledger, ReadsBackEveryBlock) {
  std::mt19937_64 random{11};
  for (std::size_t size = 0; size < 60; ++size) {
    const LedgerBlock block = any_block(random, size);
    const auto read = decode_block(encode_block(block));
    ASSERT_TRUE(read) << read.error().detail;
    expect_equal(*read, block);
  }
}

/// One sample as the versions before wrote it.
std::string older_block(std::uint8_t version, const LedgerBlock& block) {
  const engine::Sample& sample = block.samples.front();
  engine::ByteWriter out;
  out.byte(version);
  for (const std::string& text : {block.tenant, block.job_id, block.stream_id, block.policy, block.record}) {
    out.text(text);
  }
  out.varint(0);
  out.varint(0);
  out.signed_varint(0);
  if (version > 1) out.byte(static_cast<std::uint8_t>(block.corrections));
  out.varint(1);
  out.signed_varint(static_cast<std::int64_t>(sample.series));
  out.signed_varint(engine::epoch_ms(sample.bucket));
  out.byte(1);
  out.varint(sample.value.as_count());
  out.varint(sample.revision);
  out.byte(static_cast<std::uint8_t>(sample.reason));
  out.signed_varint(sample.age.count());
  out.varint(sample.evidence_polls);
  if (version > 1) {
    out.varint(1);
    out.varint(0);
    out.byte(1);
    out.varint(sample.replaced->as_count());
  }
  return std::move(out).take();
}

TEST(Ledger, ReadsBlocksOfTheVersionsBefore) {
  LedgerBlock block = ordinary_block();
  block.samples.push_back({.series = 7,
                           .bucket = engine::from_epoch_ms(1'782'000'000'000),
                           .value = engine::Value::count(9),
                           .revision = 2,
                           .reason = engine::Reason::correction,
                           .age = engine::Duration{61'000},
                           .evidence_polls = 4});
  const std::string first = older_block(1, block);
  auto read = decode_block(first);
  ASSERT_TRUE(read) << read.error().detail;
  expect_equal(*read, block);
  block.corrections = engine::Corrections::ledger;
  block.samples.front().replaced = engine::Value::count(8);
  const std::string second = older_block(2, block);
  read = decode_block(second);
  ASSERT_TRUE(read) << read.error().detail;
  expect_equal(*read, block);
  for (const std::string& bytes : {first, second}) {
    const auto outline = outline_block(bytes);
    ASSERT_TRUE(outline) << outline.error().detail;
    EXPECT_EQ(outline->samples, outline_samples(block.samples));
  }
}

TEST(Ledger, OutlinesEveryBlock) {
  std::mt19937_64 random{16};
  for (std::size_t size = 0; size < 60; ++size) {
    LedgerBlock block = any_block(random, size);
    const auto outline = outline_block(encode_block(block));
    ASSERT_TRUE(outline) << outline.error().detail;
    EXPECT_EQ(outline->samples, outline_samples(block.samples));
    block.samples.clear();
    expect_equal(outline->head, block);
  }
}

TEST(Ledger, TakesThreeBytesForASampleOfClosedHistory) {
  LedgerBlock block = ordinary_block();
  const engine::Time now = engine::from_epoch_ms(1'782'100'000'000);
  for (std::uint64_t i = 0; i < kLedgerBlockSamplesMax; ++i) {
    const auto bucket = engine::from_epoch_ms(1'782'000'000'000 + 60'000 * static_cast<std::int64_t>(i % 64));
    block.samples.push_back({.series = i / 64 * 3'000'000'000u,
                             .bucket = bucket,
                             .value = engine::Value::count(10'000 + i),
                             .revision = 1,
                             .reason = engine::Reason::backfill,
                             .age = now - bucket,
                             .evidence_polls = 1});
  }
  EXPECT_LT(encode_block(block).size(), 3 * kLedgerBlockSamplesMax);
}

TEST(Ledger, TakesADifferenceExactly) {
  const auto between = [](engine::Value from, engine::Value to) {
    engine::Sample sample;
    sample.value = to;
    sample.replaced = from;
    return difference_of(sample);
  };
  using engine::Value;
  EXPECT_EQ(between(Value::count(5), Value::count(12)), Value::count(7));
  EXPECT_EQ(between(Value::count(12), Value::count(5)), Value::number(-7));
  EXPECT_EQ(between(Value::number(-1.5), Value::count(2)), Value::number(3.5));
  const std::uint64_t large = std::uint64_t{1} << 60;
  EXPECT_EQ(between(Value::count(large), Value::count(large + 1)), Value::count(1));
}

TEST(Ledger, NamesTheSeriesOfARevision) {
  EXPECT_EQ(revision_series("m", 2), R"(m:revision{revision="2"})");
  EXPECT_EQ(revision_series(R"(a:b{z="1"})", 13), R"(a:b:revision{revision="13",z="1"})");
}

TEST(Ledger, TakesFewBytesForAnOrdinarySample) {
  LedgerBlock block = ordinary_block();
  for (std::uint64_t i = 0; i < kLedgerBlockSamplesMax; ++i) {
    block.samples.push_back({.series = i,
                             .bucket = engine::from_epoch_ms(1'782'000'000'000),
                             .value = engine::Value::count(10'000 + i),
                             .revision = 1,
                             .age = engine::Duration{150'000},
                             .evidence_polls = 3});
  }
  EXPECT_LT(encode_block(block).size(), 10 * kLedgerBlockSamplesMax);
}

TEST(Ledger, RefusesEveryTruncation) {
  std::mt19937_64 random{12};
  const std::string bytes = encode_block(any_block(random, 30));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_block(std::string_view{bytes}.substr(0, size))) << size;
  }
  EXPECT_FALSE(decode_block(bytes + "x"));
}

TEST(Ledger, SurvivesEveryFlippedBit) {
  std::mt19937_64 random{13};
  const std::string bytes = encode_block(any_block(random, 20));
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    const auto read = decode_block(damaged);
    // What still decodes is a block like any other: it is written and read back as it is.
    if (read) expect_equal(*decode_block(encode_block(*read)), *read);
    EXPECT_FALSE(bit < 8 && read) << "another version";
    const auto outline = outline_block(damaged);
    if (read) {
      EXPECT_EQ(outline->samples, outline_samples(read->samples));
    }
  }
}

TEST(Ledger, RefusesNoiseWithoutAskingForMemory) {
  std::mt19937_64 random{14};
  for (int round = 0; round < 20'000; ++round) {
    std::string noise(random() % 64, '\0');
    for (char& c : noise) c = static_cast<char>(random());
    if (!noise.empty()) noise[0] = static_cast<char>(1 + random() % 3);
    (void)decode_block(noise);
    (void)outline_block(noise);
  }
  // A count of 2^63 samples, or of values that they replace, in twenty bytes.
  std::string many = encode_block({});
  for (int round = 0; round < 2; ++round) {
    many.pop_back();
    EXPECT_FALSE(decode_block(many + "\xff\xff\xff\xff\xff\xff\xff\xff\x7f"));
  }
}

TEST(Ledger, AppendsInBlocksThatNeverMeet) {
  const StoreDirectory directory;
  auto store = Store::open({.directory = directory.path(), .bytes_max = std::size_t{64} << 20});
  ASSERT_TRUE(store);
  std::mt19937_64 random{15};
  WriteBatch batch;
  const LedgerBlock block = any_block(random, 2 * kLedgerBlockSamplesMax + 1);
  append_to_ledger(batch, block);
  append_to_ledger(batch, any_block(random, 5));
  append_to_ledger(batch, any_block(random, 0));
  EXPECT_EQ(batch.appended(Table::ledger), 4U);
  const auto committed = (*store)->commit_now(batch);
  ASSERT_TRUE(committed);
  std::vector<engine::Sample> samples;
  std::vector<std::size_t> sizes;
  (*store)->read().scan(Table::ledger, "", "", [&](std::string_view key, std::string_view value) {
    EXPECT_EQ(read_u64(key.substr(0, 8)), committed->sequence);
    const auto read = decode_block(value);
    EXPECT_TRUE(read);
    sizes.push_back(read->samples.size());
    samples.insert(samples.end(), read->samples.begin(), read->samples.end());
    return true;
  });
  EXPECT_EQ(sizes, (std::vector<std::size_t>{kLedgerBlockSamplesMax, kLedgerBlockSamplesMax, 1, 5}));
  samples.resize(block.samples.size());
  EXPECT_EQ(samples, block.samples);
}

TEST(OutputSeries, TakesTheRecordNameAndTheLabelsOfTheJob) {
  EXPECT_EQ(output_series(R"(m{zone="a"})", "", {}), R"(m{zone="a"})");
  EXPECT_EQ(output_series(R"(m{zone="a"})", "r", {}), R"(r{zone="a"})");
  EXPECT_EQ(
      output_series(R"(m{zone="a"})", "r", {{.name = "env", .value = "x"}, {.name = "zone", .value = "b"}}),
      R"(r{env="x",zone="b"})");
  EXPECT_EQ(output_series(R"(m{zone="a"})", "", {{.name = "zone", .value = ""}}), "m");
}

}  // namespace
}  // namespace settle::runner
