#include "runner/jobs/registry_draft.hpp"

#include <algorithm>
#include <cassert>

#include "runner/jobs/job_record.hpp"
#include "runner/jobs/job_view.hpp"
#include "runner/store/keys.hpp"

namespace settle::runner {
namespace {

using Key = RegistryState::Key;

template <class Map, class K>
auto* find_in(Map& map, const K& key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : &found->second;
}

Refusal conflict(std::string field, std::string detail, std::string job_id) {
  return Refusal{.kind = Refusal::Kind::conflict,
                 .field = std::move(field),
                 .detail = std::move(detail),
                 .job_id = std::move(job_id)};
}

Refusal of_the_configuration(const Job& held) {
  return conflict({}, "job " + held.id + " comes from the configuration file; change it there", held.id);
}

bool share_a_sink(const JobSpec& a, const JobSpec& b) {
  return std::any_of(a.sinks.begin(), a.sinks.end(), [&](const std::string& sink) {
    return std::find(b.sinks.begin(), b.sinks.end(), sink) != b.sinks.end();
  });
}

/// Output series have the label if the source's have it.
bool keeps_label(const JobSpec& spec, const std::string& label) {
  if (!spec.view) return true;
  const query::ViewSpec& view = *spec.view;
  if (label == view.cells.item) return false;
  const bool names_items = view.query.function == engine::Function::top_k_over_time;
  if (names_items && label == kItemLabel) return false;
  return !view.by || std::find(view.by->begin(), view.by->end(), label) != view.by->end();
}

/// What every output series has as this label; none: it varies.
std::optional<std::string> fixed_value(const JobSpec& spec, const std::string& label) {
  for (const engine::Label& added : spec.labels) {
    if (added.name == label) return added.value;
  }
  if (!keeps_label(spec, label)) return std::nullopt;
  for (const engine::Matcher& matcher : spec.selector.matchers()) {
    if (matcher.label == label && matcher.kind == engine::MatchKind::equal) return matcher.value;
  }
  return std::nullopt;
}

}  // namespace

bool provably_disjoint(const JobSpec& a, const JobSpec& b) {
  std::set<std::string> labels;
  for (const JobSpec* spec : {&a, &b}) {
    for (const engine::Label& added : spec->labels) labels.insert(added.name);
    for (const engine::Matcher& matcher : spec->selector.matchers()) labels.insert(matcher.label);
  }
  return std::any_of(labels.begin(), labels.end(), [&](const std::string& label) {
    const auto here = fixed_value(a, label);
    const auto there = fixed_value(b, label);
    return here && there && *here != *there;
  });
}

void RegistryState::put(Job job) {
  const Key key{job.tenant, job.id};
  erase_job(key);
  by_path_[{job.tenant, job.spec.store_path}] = job.id;
  by_record_[{job.tenant, job.spec.record}].insert(job.id);
  order_.emplace(job.tenant, job.created_at, job.id);
  jobs_.emplace(key, std::move(job));
}

void RegistryState::put(Stream stream) {
  const Key key{stream.tenant, stream.id};
  by_identity_[{stream.tenant, stream.identity}] = stream.id;
  streams_.insert_or_assign(key, std::move(stream));
}

void RegistryState::erase_job(const Key& key) {
  const auto found = jobs_.find(key);
  if (found == jobs_.end()) return;
  const Job& job = found->second;
  const auto path = by_path_.find({job.tenant, job.spec.store_path});
  if (path != by_path_.end() && path->second == job.id) by_path_.erase(path);
  const auto named = by_record_.find({job.tenant, job.spec.record});
  named->second.erase(job.id);
  if (named->second.empty()) by_record_.erase(named);
  order_.erase({job.tenant, job.created_at, job.id});
  jobs_.erase(found);
}

void RegistryState::erase_stream(const Key& key) {
  const auto found = streams_.find(key);
  if (found == streams_.end()) return;
  by_identity_.erase({found->second.tenant, found->second.identity});
  streams_.erase(found);
}

const Job* RegistryState::job(const Key& key) const {
  return find_in(jobs_, key);
}

const Stream* RegistryState::stream(const Key& key) const {
  return find_in(streams_, key);
}

const Job* RegistryState::job_at(const std::string& tenant, const std::string& store_path) const {
  const std::string* id = find_in(by_path_, Key{tenant, store_path});
  return id == nullptr ? nullptr : job({tenant, *id});
}

const Stream* RegistryState::stream_of(const std::string& tenant, const std::string& identity) const {
  const std::string* id = find_in(by_identity_, Key{tenant, identity});
  return id == nullptr ? nullptr : stream({tenant, *id});
}

std::vector<const Job*> RegistryState::jobs_named(const std::string& tenant,
                                                  const std::string& record) const {
  std::vector<const Job*> named;
  const auto* ids = find_in(by_record_, Key{tenant, record});
  if (ids == nullptr) return named;
  for (const std::string& id : *ids) named.push_back(job({tenant, id}));
  return named;
}

const Job* RegistryDraft::job(const Key& key) const {
  const auto* drafted = find_in(jobs_, key);
  if (drafted == nullptr) return state_.job(key);
  return drafted->has_value() ? &**drafted : nullptr;
}

const Stream* RegistryDraft::stream(const Key& key) const {
  const auto* drafted = find_in(streams_, key);
  return drafted == nullptr ? state_.stream(key) : drafted;
}

const Job* RegistryDraft::job_at(const std::string& tenant, const std::string& store_path) const {
  for (const auto& [key, drafted] : jobs_) {
    if (key.first == tenant && drafted && drafted->spec.store_path == store_path) return &*drafted;
  }
  const Job* committed = state_.job_at(tenant, store_path);
  // What the draft holds of that job was seen above: it is gone.
  if (committed == nullptr || jobs_.count({tenant, committed->id}) > 0) return nullptr;
  return committed;
}

/// A job that may own an output series of `spec`.
const Job* RegistryDraft::rival(const std::string& tenant, const JobSpec& spec) const {
  const auto collides = [&](const Job& other) {
    return other.spec.record == spec.record && share_a_sink(other.spec, spec) &&
           !provably_disjoint(other.spec, spec);
  };
  for (const auto& [key, drafted] : jobs_) {
    if (key.first == tenant && drafted && collides(*drafted)) return &*drafted;
  }
  for (const Job* committed : state_.jobs_named(tenant, spec.record)) {
    if (jobs_.count({tenant, committed->id}) == 0 && collides(*committed)) return committed;
  }
  return nullptr;
}

void poll_also_for(const Job& job, Stream& stream) {
  const engine::Duration wanted = job.spec.poll_interval;
  const bool first = stream.poll_interval == engine::Duration{};
  stream.poll_interval = first ? wanted : std::min(stream.poll_interval, wanted);
}

void RegistryDraft::put_stream(Stream stream) {
  std::sort(stream.job_ids.begin(), stream.job_ids.end());
  StreamRecord record{.identity = stream.identity,
                      .views = {},
                      .rests_until = stream.rests_until,
                      .has_function = stream.view.has_value()};
  stream.poll_interval = engine::Duration{};
  for (const std::string& id : stream.job_ids) {
    const Job* one = job({stream.tenant, id});
    assert(one != nullptr);
    record.views.push_back({.job_id = id, .epoch = one->epoch});
    poll_also_for(*one, stream);
  }
  stream.record = encode_stream(record);
  streams_[{stream.tenant, stream.id}] = std::move(stream);
}

/// Adds the job, already in the draft, to its stream.
void RegistryDraft::view(const Job& job) {
  Stream stream = *this->stream({job.tenant, job.stream_id});
  if (std::find(stream.job_ids.begin(), stream.job_ids.end(), job.id) == stream.job_ids.end()) {
    stream.job_ids.push_back(job.id);
  }
  stream.rests_until.reset();
  put_stream(std::move(stream));
}

void RegistryDraft::take_out(const Job& gone) {
  const Key key{gone.tenant, gone.id};
  Stream stream = *this->stream({gone.tenant, gone.stream_id});
  std::erase(stream.job_ids, gone.id);
  if (stream.job_ids.empty()) stream.rests_until = edge_.wall_now + edge_.job_grace;
  jobs_[key] = std::nullopt;  // `gone` may end here
  put_stream(std::move(stream));
}

Added RegistryDraft::renew(const Job& held, const JobSpec& spec, Origin origin) {
  Job job = held;
  // A request over the API does not overrule the file.
  if (origin == Origin::config || held.origin == Origin::api) {
    job.spec.valid_until = spec.valid_until;
    job.origin = origin;
  }
  if (job.spec.valid_until != held.spec.valid_until || job.origin != held.origin) {
    ++job.epoch;
    jobs_[{job.tenant, job.id}] = job;
    view(job);
  }
  return Added{.how = Added::How::existing, .job = std::move(job), .replaces = {}};
}

Outcome<Added> RegistryDraft::add(const std::string& tenant, JobSpec spec, Origin origin, bool replace) {
  Added added;
  if (const Job* held = job_at(tenant, spec.store_path)) {
    if (held->spec.identity == spec.identity) return renew(*held, spec, origin);
    if (spec.unfit) return *spec.unfit;
    if (!replace) {
      return conflict("store_path",
                      "\"" + spec.store_path + "\" belongs to job " + held->id +
                          ", which is another one; delete that first, or ask with ?replace=true",
                      held->id);
    }
    if (held->origin == Origin::config && origin != Origin::config) return of_the_configuration(*held);
    added.how = Added::How::replaced;
    added.replaces = held->id;
    take_out(*held);
  }
  if (spec.unfit) return *spec.unfit;
  if (const Job* other = rival(tenant, spec)) {
    return conflict("record",
                    "job " + other->id + " (" + other->spec.store_path + ") may already write series of \"" +
                        spec.record +
                        "\" to the same sink; give another record, or labels that tell them apart",
                    other->id);
  }
  const std::string identity = stream_identity(spec);
  const Stream* shared = nullptr;
  for (const auto& [key, drafted] : streams_) {
    if (key.first == tenant && drafted.identity == identity) shared = &drafted;
  }
  if (shared == nullptr) shared = state_.stream_of(tenant, identity);
  const std::string stream_id = shared != nullptr ? shared->id : edge_.make_id();
  if (shared == nullptr) {
    streams_[{tenant, stream_id}] = Stream{.tenant = tenant,
                                           .id = stream_id,
                                           .identity = identity,
                                           .source = spec.source,
                                           .selector = spec.selector,
                                           .view = spec.view,
                                           .engine = spec.engine,
                                           .poll_interval = {},
                                           .job_ids = {},
                                           .rests_until = {},
                                           .record = {}};
  }
  added.job = Job{.tenant = tenant,
                  .id = edge_.make_id(),
                  .stream_id = stream_id,
                  .spec = std::move(spec),
                  .origin = origin,
                  .created_at = edge_.wall_now,
                  .epoch = 1};
  jobs_[{tenant, added.job.id}] = added.job;
  view(added.job);
  return added;
}

Outcome<bool> RegistryDraft::remove(const std::string& tenant, const std::string& id, Origin by) {
  const Job* held = job({tenant, id});
  if (held == nullptr) {
    return Refusal{.kind = Refusal::Kind::not_found,
                   .field = "job_id",
                   .detail = "there is no job \"" + id + "\"",
                   .job_id = {}};
  }
  if (held->origin == Origin::config && by != Origin::config) return of_the_configuration(*held);
  take_out(*held);
  return true;
}

/// Takes out what the configuration no longer has, but for jobs whose successor cannot be made yet: their
/// ids.
std::set<std::string> RegistryDraft::clear(const std::string& tenant, const std::vector<JobSpec>& specs,
                                           std::vector<std::string>& lines) {
  std::set<std::string> wanted;
  std::set<std::string> without_successor;  // store paths
  for (const JobSpec& spec : specs) {
    wanted.insert(spec.identity);
    if (spec.unfit) without_successor.insert(spec.store_path);
  }
  std::set<std::string> kept;
  for (const auto& [key, held] : state_.jobs()) {
    if (key.first != tenant || held.origin != Origin::config || wanted.count(held.spec.identity) > 0)
      continue;
    if (without_successor.count(held.spec.store_path) > 0) {
      kept.insert(held.id);
      continue;
    }
    take_out(held);
    lines.push_back("removed " + held.spec.store_path + " (job " + held.id + ")");
  }
  return kept;
}

Outcome<std::vector<std::string>> RegistryDraft::reconcile(const std::string& tenant,
                                                           std::vector<JobSpec> specs,
                                                           const MayLeaveOut& may_leave_out) {
  std::vector<std::string> lines;
  // Removals first, so that what stays or comes finds its path and its names free.
  const std::set<std::string> kept = clear(tenant, specs, lines);
  for (const JobSpec& spec : specs) {
    const std::size_t touched = jobs_.size();
    auto added = add(tenant, spec, Origin::config, false);
    if (!added && kept.count(added.refusal().job_id) > 0 && !spec.unfit) {
      // It stayed for want of a successor only, and is in the way.
      const Job gone = *job({tenant, added.refusal().job_id});
      take_out(gone);
      lines.push_back("removed " + gone.spec.store_path + " (job " + gone.id + ")");
      added = add(tenant, spec, Origin::config, false);
    }
    if (!added) {
      const bool leave_out = spec.unfit && may_leave_out && may_leave_out(spec.store_path, added.refusal());
      if (!leave_out) return added.refusal();
      continue;
    }
    const bool fresh = added->how == Added::How::created;
    const std::string_view what = fresh ? "added " : jobs_.size() > touched ? "renewed " : "left ";
    lines.push_back(std::string(what) + spec.store_path + " (job " + added->job.id + ")");
  }
  return lines;
}

WriteBatch RegistryDraft::batch(WriteBatch batch) const {
  for (const auto& [key, drafted] : jobs_) {
    const std::string store_key = key_of(key.first, key.second);
    const bool known = state_.job(key) != nullptr;
    if (!known) batch.require(Table::jobs, store_key, std::nullopt);
    if (drafted) {
      batch.put(Table::jobs, store_key, encode_job(*drafted));
    } else if (known) {
      batch.erase(Table::jobs, store_key);
    }
  }
  for (const auto& [key, drafted] : streams_) {
    const std::string store_key = key_of(key.first, key.second);
    const Stream* committed = state_.stream(key);
    if (committed != nullptr) {
      batch.require(Table::streams, store_key, committed->record);
    } else {
      batch.require(Table::streams, store_key, std::nullopt);
    }
    batch.put(Table::streams, store_key, drafted.record);
  }
  return batch;
}

std::vector<RegistryDraft::Key> RegistryDraft::apply(RegistryState& state) && {
  std::vector<Key> touched;
  // Removals first: a job that takes over a store_path must find it free.
  for (auto& [key, drafted] : jobs_) {
    if (!drafted) state.erase_job(key);
  }
  for (auto& [key, drafted] : jobs_) {
    if (drafted) state.put(*std::move(drafted));
  }
  for (auto& [key, drafted] : streams_) {
    touched.push_back(key);
    state.put(std::move(drafted));
  }
  return touched;
}

}  // namespace settle::runner
