// runner/jobs/job_record.hpp: the records of jobs and streams in the store: versioned JSON.
// docs/formats/store.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/promql/selector.hpp"
#include "engine/result.hpp"
#include "engine/stabilizer/engine.hpp"
#include "runner/jobs/job.hpp"

namespace settle::runner {

/// What stream_identity() is the text of.
struct StreamSpec {
  std::string source;
  engine::Selector selector;
  std::optional<query::ViewSpec> view;
  engine::EngineOptions engine;
};
[[nodiscard]] engine::Result<StreamSpec> parse_stream_identity(std::string_view identity);

/// The value of table `jobs`; tenant and id are in its key.
[[nodiscard]] std::string encode_job(const Job& job);
[[nodiscard]] engine::Result<Job> decode_job(std::string tenant, std::string id, std::string_view bytes);

struct StreamRecord {
  struct View {
    std::string job_id;
    std::uint64_t epoch = 1;
  };
  std::string identity;
  std::vector<View> views;  // sorted by id: every change of the jobs changes the bytes
  std::optional<engine::Time> rests_until;
  /// Then programs that know plain selectors only refuse it.
  bool has_function = false;
};
/// The value of table `streams`.
[[nodiscard]] std::string encode_stream(const StreamRecord& record);
[[nodiscard]] engine::Result<StreamRecord> decode_stream(std::string_view bytes);

}  // namespace settle::runner
