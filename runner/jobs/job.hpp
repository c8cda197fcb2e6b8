// runner/jobs/job.hpp: what a controller or the configuration asks for, checked, canonical and with defaults
// frozen in.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/model/series.hpp"
#include "engine/model/time.hpp"
#include "engine/promql/selector.hpp"
#include "engine/query/view_spec.hpp"
#include "engine/stabilizer/engine.hpp"

namespace settle::runner {

/// Why a request is not done; becomes problem JSON in `api` and a line with position in `cli`.
struct Refusal {
  enum class Kind : std::uint8_t { malformed = 0, invalid = 1, conflict = 2, not_found = 3, unavailable = 4 };
  Kind kind = Kind::invalid;
  std::string field;   // "granularity"; "" when the whole is meant
  std::string detail;  // what is wrong, what was expected
  std::string job_id;  // the holder, for conflicts
};
template <class T>
class [[nodiscard]] Outcome {
 public:
  Outcome() = default;
  Outcome(T value) : value_(std::move(value)) {}
  Outcome(Refusal refusal) : refusal_(std::move(refusal)) {}
  explicit operator bool() const { return value_.has_value(); }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }
  [[nodiscard]] const Refusal& refusal() const { return refusal_; }

 private:
  std::optional<T> value_;
  Refusal refusal_;
};

enum class Stamp : std::uint8_t { start = 0, end = 1 };
/// What the user knows of the values of one cell. growing: they only rise while it is watched, as counts,
/// sums of what is not negative, maxima and distinct counts do.
enum class Values : std::uint8_t { any = 0, growing = 1 };

struct JobSpec {
  std::string query;          // canonical text
  engine::Selector selector;  // of the query
  /// A function over a window: what it asks of which cells. None: a plain selector.
  std::optional<query::ViewSpec> view;
  std::string source;
  std::string sketch_type = "scalar";
  std::string store_path;
  std::optional<engine::Time> valid_until;  // not part of the identity
  engine::Duration poll_interval{};
  Stamp timestamp = Stamp::start;
  Values values = Values::any;
  std::vector<std::string> sinks;  // resolved names, sorted, without repeats
  std::string record;              // metric name of the output
  engine::Labels labels;           // added to the output
  /// Granularity, finality, watch, ttl, absent, output, corrections, liveness, limits. With a function they
  /// are those of the windows' results: each is final when it is there (consecutive:1), and watched for a
  /// little longer than the cells of its newest bucket.
  engine::EngineOptions engine;
  /// The given fields in canonical form, as JSON, without valid_until: two requests with the same text are
  /// one job.
  std::string identity;
  /// Why no job is made of it now, though one that is there already stays as it is: a sink cannot take it
  /// (`invalid`), or has not answered yet, and what it can take is not known (`unavailable`).
  std::optional<Refusal> unfit;
};
/// What `granularity`, `finality`, `watch` and `ttl` of the request are about: the source's buckets.
[[nodiscard]] inline const engine::EngineOptions& cells_options(const JobSpec& spec) {
  return spec.view ? spec.view->feed : spec.engine;
}

/// What the configuration and the sources say, needed to check and complete a request.
class JobContext {
 public:
  virtual ~JobContext() = default;
  struct SinkFacts {
    bool exists = false;
    bool overwrites = false;    // a correction may be pushed: last-wins or append log
    bool keeps_larger = false;  // max-wins: a correction may be pushed for what only grows
    std::string why_not;        // one sentence, when it does not overwrite
    std::optional<engine::Duration> out_of_order_window = std::nullopt;  // as of sinks::Capabilities
    bool overwrite_known = true;                                         // as of sinks::Capabilities
    bool window_known = true;
  };
  /// Refuses an unknown source, or a selector or granularity it can never answer.
  [[nodiscard]] virtual engine::Result<engine::Liveness> source(const std::string& name,
                                                                const engine::Selector& selector,
                                                                engine::Duration granularity) const = 0;
  [[nodiscard]] virtual SinkFacts sink(const std::string& name) const = 0;
  [[nodiscard]] virtual std::string default_sink() const = 0;  // the only one, the marked one, or "builtin"
  [[nodiscard]] virtual std::vector<std::string> source_names() const = 0;
  [[nodiscard]] virtual std::vector<std::string> sink_names() const = 0;  // "builtin" included
  /// Is what goes to `sink` what `source` reads from? Then the output needs a name of its own.
  [[nodiscard]] virtual bool same_server(const std::string& source, const std::string& sink) const = 0;
  [[nodiscard]] virtual std::size_t series_max() const = 0;
  [[nodiscard]] virtual std::size_t open_cells_max() const = 0;
};

/// What parse_job reads, from a POST as from the configuration: one list, so that the two cannot differ.
inline constexpr std::array<std::string_view, 31> kJobFields{
    "query",     "granularity",  "source",     "sketch_type",   "store_path", "valid_until",
    "finality",  "error_target", "tolerance",  "watch",         "ttl",        "output",
    "values",    "absent",       "absent_for", "poll_interval", "timestamp",  "record",
    "labels",    "corrections",  "sink",       "sinks",         "by",         "item",
    "accuracy",  "max_bins",     "precision",  "width",         "depth",      "error",
    "confidence"};

/// `json` is one JSON object as POSTed; docs/jobs.md lists the fields. `now` is source time (for
/// valid_until). Text that is not JSON is `malformed`, everything else that is wrong `invalid`, with the
/// field's name. What its sinks can do is in the job's `unfit`.
[[nodiscard]] Outcome<JobSpec> parse_job(std::string_view json, const JobContext& context, engine::Time now);
/// The frozen record: everything in force, as JSON; parse_job_record reads it without a context.
[[nodiscard]] std::string job_record_json(const JobSpec& spec);
[[nodiscard]] engine::Result<JobSpec> parse_job_record(std::string_view json);
/// Jobs with equal text share one stream: (source, selector, engine options) and, of a function, all that
/// changes its results: docs/adr/0002-stream-identity.md.
[[nodiscard]] std::string stream_identity(const JobSpec& spec);
/// Jobs with a function (JobSpec::view) and equal text share their cells: (source, selector, what the cells
/// are, the cells' engine options). A text of any length that later versions write in the same way.
[[nodiscard]] std::string feed_identity(const JobSpec& spec);

enum class Origin : std::uint8_t { api = 0, config = 1 };

struct Job {
  std::string tenant;
  std::string id;         // opaque
  std::string stream_id;  // opaque
  JobSpec spec;
  Origin origin = Origin::api;
  engine::Time created_at;  // wall time
  std::uint64_t epoch = 1;  // raised when valid_until or ownership changes: a late tick commits nothing
};

}  // namespace settle::runner
