// runner/jobs/registry.hpp: the jobs and their streams, in memory and in the store: every change is one
// commit.
//
// Lives on the event loop. A stream exists as long as a job views it; then its state rests for `job_grace`,
// so that a controller that deletes and posts again finds it where it was.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "engine/result.hpp"
#include "runner/clocks.hpp"
#include "runner/jobs/job.hpp"
#include "runner/store/store.hpp"

namespace settle::runner {

struct Stream {
  std::string tenant;
  std::string id;
  std::string identity;  // stream_identity
  std::string source;
  engine::Selector selector;
  std::optional<query::ViewSpec> view;  // none: a plain selector
  engine::EngineOptions engine;
  engine::Duration poll_interval{};         // the shortest of its jobs
  std::vector<std::string> job_ids;         // sorted; empty: resting
  std::optional<engine::Time> rests_until;  // wall time; its state is deleted then
  std::string record;  // the bytes in Table::streams: rewritten whenever its jobs change, so
                       // a tick that requires them commits nothing when it is late
};

struct RegistryEvents {
  std::function<void(const Stream&)> stream_changed;  // made, taken up again, or its jobs changed
  std::function<void(const std::string& tenant, const std::string& stream_id)> stream_rests;
};

struct Added {
  enum class How : std::uint8_t { created = 0, existing = 1, replaced = 2 };
  How how = How::created;
  Job job;
  std::string replaces;  // job id
};

/// Asked of a job of the configuration that is unfit (JobSpec::unfit): true to go on without it, and with
/// the one that held its path until now.
using MayLeaveOut = std::function<bool(const std::string& store_path, const Refusal& why)>;

inline constexpr const char* kStreamChanged = "stream";

/// Where a list goes on after this job; opaque to whoever asks for the list.
[[nodiscard]] std::string list_cursor(const Job& job);
[[nodiscard]] bool is_list_cursor(std::string_view text);

class Registry {
 public:
  Registry(Store& store, Clocks& clocks, std::chrono::milliseconds job_grace);
  ~Registry();
  [[nodiscard]] engine::Result<void> load();
  void on_change(RegistryEvents events);

  /// Identity, store_path and output ownership are checked here, against every job of the tenant. One change
  /// at a time; answered after the commit.
  boost::asio::awaitable<Outcome<Added>> add(std::string tenant, JobSpec spec, Origin origin, bool replace);
  /// `not_found`, or `conflict` for a job of the configuration (unless `by` is config).
  boost::asio::awaitable<Outcome<bool>> remove(std::string tenant, std::string id, Origin by);
  /// As remove by api, with more in the same commit. A conflict with the field kStreamChanged: the record of
  /// the job's stream is another one by now.
  boost::asio::awaitable<Outcome<Committed>> remove_with(std::string tenant, std::string id,
                                                         std::string stream_record, WriteBatch more);
  /// Makes the jobs of the configuration equal to `specs`; touches no other and no unchanged one. Returns
  /// what was added, removed and left, one line each.
  boost::asio::awaitable<Outcome<std::vector<std::string>>> reconcile(std::string tenant,
                                                                      std::vector<JobSpec> specs,
                                                                      MayLeaveOut may_leave_out = {});
  /// Deletes the state of streams that have rested long enough; returns how many.
  boost::asio::awaitable<std::size_t> forget_rested();

  [[nodiscard]] const Job* find(const std::string& tenant, const std::string& id) const;
  [[nodiscard]] const Job* find_path(const std::string& tenant, const std::string& store_path) const;
  [[nodiscard]] const Stream* find_stream(const std::string& tenant, const std::string& id) const;
  /// By (created_at, id), after the cursor `after` ("": from the start).
  [[nodiscard]] std::vector<const Job*> list(const std::string& tenant, const std::string& after,
                                             std::size_t limit) const;
  [[nodiscard]] std::vector<const Job*> jobs() const;
  [[nodiscard]] std::vector<const Stream*> streams() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace settle::runner
