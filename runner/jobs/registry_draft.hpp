// runner/jobs/registry_draft.hpp: decides what a change of the registry does, before any of it is done. Pure.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/model/time.hpp"
#include "runner/jobs/job.hpp"
#include "runner/jobs/registry.hpp"
#include "runner/store/store.hpp"

namespace settle::runner {

/// What is committed, with the ways it is looked up.
class RegistryState {
 public:
  using Key = std::pair<std::string, std::string>;  // (tenant, id)

  void put(Job job);
  void put(Stream stream);
  void erase_job(const Key& key);
  void erase_stream(const Key& key);

  [[nodiscard]] const Job* job(const Key& key) const;
  [[nodiscard]] const Stream* stream(const Key& key) const;
  [[nodiscard]] const Job* job_at(const std::string& tenant, const std::string& store_path) const;
  [[nodiscard]] const Stream* stream_of(const std::string& tenant, const std::string& identity) const;
  [[nodiscard]] std::vector<const Job*> jobs_named(const std::string& tenant,
                                                   const std::string& record) const;

  [[nodiscard]] const std::map<Key, Job>& jobs() const { return jobs_; }
  [[nodiscard]] const std::map<Key, Stream>& streams() const { return streams_; }
  /// (tenant, created at, id): the order of lists.
  using Order = std::set<std::tuple<std::string, engine::Time, std::string>>;
  [[nodiscard]] const Order& order() const { return order_; }

 private:
  std::map<Key, Job> jobs_;
  std::map<Key, Stream> streams_;
  std::map<Key, std::string> by_path_;      // (tenant, store_path) -> job id
  std::map<Key, std::string> by_identity_;  // (tenant, stream identity) -> stream id
  std::map<Key, std::set<std::string>> by_record_;
  Order order_;
};

/// A stream is polled as often as the most impatient of its jobs asks.
void poll_also_for(const Job& job, Stream& stream);

/// Changes laid over a state, which does not change while the draft lives. After a refusal a draft is of no
/// use.
class RegistryDraft {
 public:
  using Key = RegistryState::Key;
  struct Edge {  // what the decisions need from outside
    engine::Time wall_now;
    engine::Duration job_grace{};
    std::function<std::string()> make_id;
  };
  RegistryDraft(const RegistryState& state, Edge edge) : state_(state), edge_(std::move(edge)) {}

  [[nodiscard]] Outcome<Added> add(const std::string& tenant, JobSpec spec, Origin origin, bool replace);
  [[nodiscard]] Outcome<bool> remove(const std::string& tenant, const std::string& id, Origin by);
  /// All or nothing, but for what may be left out: one line for each job of the configuration, and one for
  /// each that it held before.
  [[nodiscard]] Outcome<std::vector<std::string>> reconcile(const std::string& tenant,
                                                            std::vector<JobSpec> specs,
                                                            const MayLeaveOut& may_leave_out = {});

  /// Every stream that is touched is required to be as it was.
  /// After what `batch` holds already.
  [[nodiscard]] WriteBatch batch(WriteBatch batch = {}) const;
  [[nodiscard]] bool empty() const { return jobs_.empty(); }
  /// Makes the state what the draft says; returns the streams that were touched.
  std::vector<Key> apply(RegistryState& state) &&;

 private:
  [[nodiscard]] const Job* job(const Key& key) const;
  [[nodiscard]] const Stream* stream(const Key& key) const;
  [[nodiscard]] const Job* job_at(const std::string& tenant, const std::string& store_path) const;
  [[nodiscard]] const Job* rival(const std::string& tenant, const JobSpec& spec) const;
  [[nodiscard]] Added renew(const Job& held, const JobSpec& spec, Origin origin);
  std::set<std::string> clear(const std::string& tenant, const std::vector<JobSpec>& specs,
                              std::vector<std::string>& lines);
  void take_out(const Job& gone);
  void view(const Job& job);
  void put_stream(Stream stream);

  const RegistryState& state_;
  Edge edge_;
  std::map<Key, std::optional<Job>> jobs_;  // none: removed
  std::map<Key, Stream> streams_;
};

/// No series can come out of both: some label has two different values, each from an added label or, where
/// none is added, from an `=` matcher.
[[nodiscard]] bool provably_disjoint(const JobSpec& a, const JobSpec& b);

}  // namespace settle::runner
