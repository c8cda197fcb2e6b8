// A source that goes over to another encoding of its sketches, or another order of bins, says nothing new.
#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "engine/codec/cell/frame.hpp"
#include "engine/codec/codec.hpp"
#include "engine/stabilizer/engine.hpp"
#include "tests/sketch/golden_files.hpp"

namespace settle {
namespace {

using codec::Format;
using engine::Blob;
using engine::Time;

Blob cell_of(const boost::json::object& files, const char* kind, Format format) {
  const std::string file{files.at(kind).at("file").as_string()};
  sketch::Accumulator cell;
  const auto merged = codec::merge(cell, test::golden_bytes("ddsketch-go/" + file), {.format = format});
  EXPECT_TRUE(merged.has_value()) << (merged ? "" : merged.error().detail);
  return Blob{codec::encode_cell(cell)};
}

/// One series, one bucket; every answer is evidence, and one is enough.
class Stream {
 public:
  Stream() : engine_(options(), Time{}) {}
  std::vector<engine::Sample> observe(const Blob& cell, std::chrono::seconds at) {
    engine::Answer answer;
    engine::ScopeAnswer& scope = answer.scopes.emplace_back();
    scope.covered = {Time{}, Time{options().granularity}};
    scope.rows.push_back({"m", Time{}, engine::fingerprint(cell)});
    scope.sketches.push_back(cell);
    return engine_.ingest(answer, Time{at});
  }
  [[nodiscard]] std::uint64_t changes() const { return engine_.stats().changes; }

 private:
  static engine::EngineOptions options() {
    engine::EngineOptions options;
    options.finality = engine::Consecutive{1};
    options.liveness = engine::Liveness::answers;
    options.sketches = true;
    return options;
  }
  engine::Engine engine_;
};

TEST(SameObservation, IsASketchInProtobufAndInBinary) {
  std::set<std::string> contents;
  const boost::json::value json = test::golden_expected("ddsketch-go");
  for (const boost::json::value& one : json.at("cases").as_array()) {
    SCOPED_TRACE(std::string{one.at("name").as_string()});
    const boost::json::object& files = one.at("files").as_object();
    const Blob proto = cell_of(files, "protobuf", Format::ddsketch_proto);
    const Blob binary = cell_of(files, "binary", Format::ddsketch_binary);
    EXPECT_EQ(engine::fingerprint(proto), engine::fingerprint(binary));
    Stream stream;
    const auto samples = stream.observe(proto, std::chrono::seconds{60});
    ASSERT_EQ(samples.size(), 1U);
    EXPECT_EQ(samples[0].sketch, proto);
    EXPECT_TRUE(stream.observe(binary, std::chrono::seconds{80}).empty());
    EXPECT_EQ(stream.changes(), 1U);
    // With exact statistics it is another content.
    const Blob exact = cell_of(files, "binary_exact_summary", Format::ddsketch_binary);
    EXPECT_EQ(stream.observe(exact, std::chrono::seconds{100}).size(), exact == proto ? 0U : 1U);
    contents.insert(std::string{proto.bytes()});
  }
  // 04 and 09 are 03 and 08 out of another kind of store, whose bins come in another order.
  EXPECT_EQ(contents.size(), 9U);
}

}  // namespace
}  // namespace settle
