// engine/model/answer.hpp: what one poll of a source said.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/blob.hpp"
#include "engine/model/time.hpp"
#include "engine/model/value.hpp"

namespace settle::engine {

/// Keeps texts alive at fixed addresses, also when it is moved.
class TextArena {
 public:
  std::string_view keep(std::string_view text);

 private:
  std::vector<std::unique_ptr<char[]>> blocks_;
  std::size_t used_ = 0;
  std::size_t capacity_ = 0;
};

struct Observation {
  std::string_view series;  // canonical text (engine/model/series.hpp), alive as long as the answer
  Time bucket;              // start of the bucket, aligned to the stream's granularity
  Value value;
};

enum class Completeness : std::uint8_t {
  complete,   // every row of the covered range is here: silence is evidence, absence is absence
  truncated,  // the rows are true, but others may be missing: no evidence, nothing vanishes, nothing closes
};

/// One scope's part of the answer. A scope that failed is not in the answer at all.
struct ScopeAnswer {
  std::string scope;
  TimeRange covered;  // aligned to the granularity
  Completeness completeness = Completeness::complete;
  std::optional<Time> frontier;  // "data through": buckets that end at or before it have data
  std::vector<Observation> rows;
  /// Of a stream of sketches: one for each row, whose value is its fingerprint. Otherwise none.
  std::vector<Blob> sketches = {};
};

/// The whole answer of one poll; at most one ScopeAnswer per scope.
struct Answer {
  std::vector<ScopeAnswer> scopes;
  TextArena texts;
};

}  // namespace settle::engine
