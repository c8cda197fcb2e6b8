#include "runner/jobs/registry.hpp"

#include <array>
#include <charconv>
#include <cstdio>
#include <random>
#include <set>
#include <system_error>
#include <tuple>
#include <utility>

#include "runner/jobs/job_record.hpp"
#include "runner/jobs/registry_draft.hpp"
#include "runner/store/keys.hpp"
#include "runner/store/stream_log.hpp"
#include "runner/turns.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using engine::Result;
using Key = RegistryState::Key;

namespace {

/// 128 random bits: not guessable, and never twice.
std::string random_id() {
  std::random_device device;
  std::string id;
  for (int word = 0; word < 4; ++word) {
    std::array<char, 9> hex{};
    std::snprintf(hex.data(), hex.size(), "%08x", static_cast<unsigned>(device()));
    id += hex.data();
  }
  return id;
}

/// `tenant NUL id NUL`, as key_of writes it.
std::optional<Key> read_key(std::string_view key) {
  const std::size_t first = key.find('\0');
  if (first == key.npos || key.size() < first + 2 || key.back() != '\0') return std::nullopt;
  return Key{std::string(key.substr(0, first)), std::string(key.substr(first + 1, key.size() - first - 2))};
}

struct Cursor {
  engine::Time created_at;
  std::string id;
};
std::optional<Cursor> read_cursor(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == text.npos) return std::nullopt;
  std::int64_t ms = 0;
  const auto read = std::from_chars(text.data(), text.data() + dash, ms);
  if (read.ec != std::errc{} || read.ptr != text.data() + dash) return std::nullopt;
  return Cursor{engine::from_epoch_ms(ms), std::string(text.substr(dash + 1))};
}

Result<Stream> make_stream(const Key& key, std::string_view bytes) {
  const auto record = decode_stream(bytes);
  if (!record) return record.error();
  auto spec = parse_stream_identity(record->identity);
  if (!spec) return spec.error();
  Stream stream{.tenant = key.first,
                .id = key.second,
                .identity = record->identity,
                .source = std::move(spec->source),
                .selector = std::move(spec->selector),
                .view = std::move(spec->view),
                .engine = spec->engine,
                .poll_interval = {},
                .job_ids = {},
                .rests_until = record->rests_until,
                .record = std::string(bytes)};
  for (const StreamRecord::View& view : record->views) stream.job_ids.push_back(view.job_id);
  return stream;
}

Refusal unavailable(const engine::Error& error) {
  return Refusal{.kind = Refusal::Kind::unavailable,
                 .field = {},
                 .detail = "nothing was changed: " + error.detail,
                 .job_id = {}};
}

}  // namespace

std::string list_cursor(const Job& job) {
  return std::to_string(engine::epoch_ms(job.created_at)) + "-" + job.id;
}

bool is_list_cursor(std::string_view text) {
  return read_cursor(text).has_value();
}

struct Registry::Impl {
  Store& store;
  Clocks& clocks;
  std::chrono::milliseconds job_grace;
  RegistryState state{};
  RegistryEvents events{};
  Turns turns{};

  [[nodiscard]] RegistryDraft draft() {
    return RegistryDraft(state,
                         {.wall_now = clocks.wall_now(), .job_grace = job_grace, .make_id = random_id});
  }

  void tell(const std::vector<Key>& touched) {
    for (const Key& key : touched) {
      const Stream* stream = state.stream(key);
      if (stream == nullptr) continue;
      if (stream->job_ids.empty()) {
        if (events.stream_rests) events.stream_rests(key.first, key.second);
      } else if (events.stream_changed) {
        events.stream_changed(*stream);
      }
    }
  }

  [[nodiscard]] std::vector<Key> rested() const {
    const engine::Time now = clocks.wall_now();
    std::vector<Key> keys;
    for (const auto& [key, stream] : state.streams()) {
      if (stream.job_ids.empty() && stream.rests_until && *stream.rests_until <= now) keys.push_back(key);
    }
    return keys;
  }

  /// The series table stays: the ledger may still hold samples of the stream that a sink has not taken, and
  /// names them by it. What cleans the ledger cleans it.
  [[nodiscard]] WriteBatch forgetting(const std::vector<Key>& keys) const {
    WriteBatch batch;
    std::set<std::string> prefixes;
    for (const Key& key : keys) {
      const std::string store_key = key_of(key.first, key.second);
      batch.require(Table::streams, store_key, state.stream(key)->record);
      batch.erase(Table::streams, store_key);
      batch.erase_range(Table::gaps, store_key, prefix_end(store_key));
      prefixes.insert(store_key);
    }
    erase_logs(store.read(), prefixes, batch);
    return batch;
  }

  /// Commits the draft and makes it the state; only then anybody hears of it. The caller has the turn.
  asio::awaitable<Outcome<Committed>> commit(RegistryDraft draft, WriteBatch more = {}) {
    if (draft.empty()) co_return Committed{};
    WriteBatch batch = draft.batch(std::move(more));
    const auto committed = co_await store.commit(std::move(batch));
    if (!committed) co_return unavailable(committed.error());
    tell(std::move(draft).apply(state));
    co_return *committed;
  }
};

Registry::Registry(Store& store, Clocks& clocks, std::chrono::milliseconds job_grace)
    : impl_(new Impl{.store = store, .clocks = clocks, .job_grace = job_grace}) {}
Registry::~Registry() = default;

void Registry::on_change(RegistryEvents events) {
  impl_->events = std::move(events);
}

Result<void> Registry::load() {
  RegistryState state;
  Result<void> outcome;
  const auto fail = [&](std::string_view what, const std::string& detail) {
    outcome = engine::corrupt(std::string(what) + ": " + detail);
    return false;
  };
  const ReadTransaction transaction = impl_->store.read();
  transaction.scan(Table::streams, "", "", [&](std::string_view store_key, std::string_view bytes) {
    const auto key = read_key(store_key);
    if (!key) return fail("table streams", "a key is not tenant and id");
    auto stream = make_stream(*key, bytes);
    if (!stream) return fail("stream " + key->second, stream.error().detail);
    state.put(*std::move(stream));
    return true;
  });
  if (!outcome) return outcome;
  transaction.scan(Table::jobs, "", "", [&](std::string_view store_key, std::string_view bytes) {
    const auto key = read_key(store_key);
    if (!key) return fail("table jobs", "a key is not tenant and id");
    auto job = decode_job(key->first, key->second, bytes);
    if (!job) return fail("job " + key->second, job.error().detail);
    const Stream* stream = state.stream({key->first, job->stream_id});
    if (stream == nullptr) return fail("job " + key->second, "its stream is not in the store");
    Stream polled = *stream;
    poll_also_for(*job, polled);
    state.put(std::move(polled));
    state.put(*std::move(job));
    return true;
  });
  if (!outcome) return outcome;
  impl_->state = std::move(state);
  return {};
}

asio::awaitable<Outcome<Added>> Registry::add(std::string tenant, JobSpec spec, Origin origin, bool replace) {
  const Turns::Turn turn = co_await impl_->turns.take();
  RegistryDraft draft = impl_->draft();
  auto added = draft.add(tenant, std::move(spec), origin, replace);
  if (!added) co_return added.refusal();
  const auto done = co_await impl_->commit(std::move(draft));
  if (!done) co_return done.refusal();
  co_return *std::move(added);
}

asio::awaitable<Outcome<bool>> Registry::remove(std::string tenant, std::string id, Origin by) {
  const Turns::Turn turn = co_await impl_->turns.take();
  RegistryDraft draft = impl_->draft();
  auto removed = draft.remove(tenant, id, by);
  if (!removed) co_return removed.refusal();
  const auto done = co_await impl_->commit(std::move(draft));
  if (!done) co_return done.refusal();
  co_return true;
}

asio::awaitable<Outcome<Committed>> Registry::remove_with(std::string tenant, std::string id,
                                                          std::string stream_record, WriteBatch more) {
  const Turns::Turn turn = co_await impl_->turns.take();
  RegistryDraft draft = impl_->draft();
  const Job* held = impl_->state.job({tenant, id});
  const Stream* stream = held == nullptr ? nullptr : impl_->state.stream({tenant, held->stream_id});
  const bool same = stream == nullptr || stream->record == stream_record;
  if (!same) {
    co_return Refusal{.kind = Refusal::Kind::conflict,
                      .field = kStreamChanged,
                      .detail = "the jobs of the stream changed meanwhile",
                      .job_id = {}};
  }
  auto removed = draft.remove(tenant, id, Origin::api);
  if (!removed) co_return removed.refusal();
  co_return co_await impl_->commit(std::move(draft), std::move(more));
}

asio::awaitable<Outcome<std::vector<std::string>>> Registry::reconcile(std::string tenant,
                                                                       std::vector<JobSpec> specs,
                                                                       MayLeaveOut may_leave_out) {
  const Turns::Turn turn = co_await impl_->turns.take();
  RegistryDraft draft = impl_->draft();
  auto lines = draft.reconcile(tenant, std::move(specs), may_leave_out);
  if (!lines) co_return lines.refusal();
  const auto done = co_await impl_->commit(std::move(draft));
  if (!done) co_return done.refusal();
  co_return *std::move(lines);
}

asio::awaitable<std::size_t> Registry::forget_rested() {
  const Turns::Turn turn = co_await impl_->turns.take();
  const std::vector<Key> rested = impl_->rested();
  if (rested.empty()) co_return 0;
  WriteBatch batch = impl_->forgetting(rested);
  const auto committed = co_await impl_->store.commit(std::move(batch));
  if (!committed) co_return 0;  // the next call tries again
  for (const Key& key : rested) impl_->state.erase_stream(key);
  co_return rested.size();
}

const Job* Registry::find(const std::string& tenant, const std::string& id) const {
  return impl_->state.job({tenant, id});
}

const Job* Registry::find_path(const std::string& tenant, const std::string& store_path) const {
  return impl_->state.job_at(tenant, store_path);
}

const Stream* Registry::find_stream(const std::string& tenant, const std::string& id) const {
  return impl_->state.stream({tenant, id});
}

std::vector<const Job*> Registry::list(const std::string& tenant, const std::string& after,
                                       std::size_t limit) const {
  const auto& order = impl_->state.order();
  auto at = order.lower_bound({tenant, engine::Time::min(), ""});
  if (const auto cursor = read_cursor(after))
    at = order.upper_bound({tenant, cursor->created_at, cursor->id});
  std::vector<const Job*> page;
  for (; at != order.end() && std::get<0>(*at) == tenant && page.size() < limit; ++at) {
    page.push_back(impl_->state.job({tenant, std::get<2>(*at)}));
  }
  return page;
}

std::vector<const Job*> Registry::jobs() const {
  std::vector<const Job*> all;
  for (const auto& [key, job] : impl_->state.jobs()) all.push_back(&job);
  return all;
}

std::vector<const Stream*> Registry::streams() const {
  std::vector<const Stream*> all;
  for (const auto& [key, stream] : impl_->state.streams()) all.push_back(&stream);
  return all;
}

}  // namespace settle::runner
