#include "runner/jobs/registry.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runner/jobs/job_record.hpp"
#include "runner/store/keys.hpp"
#include "tests/runner/store/store_directory.hpp"
#include "tests/support/fake_context.hpp"
#include "tests/support/loopback.hpp"
#include "tests/support/manual_clocks.hpp"

namespace settle::runner {
namespace {

namespace asio = boost::asio;
using std::chrono::hours;
using std::chrono::minutes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const engine::Time kStart = engine::from_epoch_ms(1'782'482'220'000);
const std::string kTenant = "default";

template <class T>
asio::awaitable<void> keep(asio::awaitable<T> work, T* into) {
  *into = co_await std::move(work);
}

class RegistryTest : public ::testing::Test {
 protected:
  RegistryTest() { open(); }
  ~RegistryTest() override {
    registry.reset();
    store.reset();
  }

  void open() {
    registry.reset();
    store.reset();
    auto opened = Store::open({.directory = directory_.path(), .bytes_max = 64u << 20});
    ASSERT_TRUE(opened) << opened.error().detail;
    store = *std::move(opened);
    registry = std::make_unique<Registry>(*store, clocks, hours{24});
    const auto loaded = registry->load();
    ASSERT_TRUE(loaded) << loaded.error().detail;
    RegistryEvents events;
    events.stream_changed = [this](const Stream& stream) { changed.push_back(stream.id); };
    events.stream_rests = [this](const std::string&, const std::string& id) { rested.push_back(id); };
    registry->on_change(std::move(events));
  }

  template <class T>
  T ask(asio::awaitable<T> work) {
    return test::result_of(context, std::move(work));
  }

  static JobSpec spec(const std::string& path, const std::string& more = "", const std::string& query = "m") {
    const test::FakeContext configuration;
    auto parsed =
        parse_job("{\"query\":\"" + query +
                      R"(","granularity":"1m","source":"trace","sketch_type":"scalar","store_path":")" +
                      path + "\"" + more + "}",
                  configuration, kStart);
    EXPECT_TRUE(parsed) << parsed.refusal().field << " " << parsed.refusal().detail;
    return *parsed;
  }
  Outcome<Added> add(JobSpec wanted, bool replace = false, Origin origin = Origin::api) {
    return ask(registry->add(kTenant, std::move(wanted), origin, replace));
  }
  Outcome<bool> remove(const std::string& id, Origin by = Origin::api) {
    return ask(registry->remove(kTenant, id, by));
  }
  [[nodiscard]] std::size_t entries(Table table) const {
    std::size_t count = 0;
    store->read().scan(table, "", "", [&](std::string_view, std::string_view) { return ++count > 0; });
    return count;
  }

  asio::io_context context;
  test::ManualClocks clocks{context.get_executor(), kStart};
  std::unique_ptr<Store> store;
  std::unique_ptr<Registry> registry;
  std::vector<std::string> changed;
  std::vector<std::string> rested;

 private:
  StoreDirectory directory_;
};

TEST_F(RegistryTest, KeepsAJobAcrossReopening) {
  const auto added = add(spec("p", R"(,"labels":{"a":"b"},"valid_until":"2030-01-01T00:00:00Z")"));
  ASSERT_TRUE(added) << added.refusal().detail;
  EXPECT_EQ(added->how, Added::How::created);
  EXPECT_EQ(added->job.created_at, kStart);
  EXPECT_EQ(added->job.id.size(), 32U);
  ASSERT_NE(registry->find(kTenant, added->job.id), nullptr);
  open();
  const Job* kept = registry->find(kTenant, added->job.id);
  ASSERT_NE(kept, nullptr);
  EXPECT_EQ(encode_job(*kept), encode_job(added->job));
  EXPECT_EQ(registry->find_path(kTenant, "p"), kept);
  const Stream* stream = registry->find_stream(kTenant, kept->stream_id);
  ASSERT_NE(stream, nullptr);
  EXPECT_THAT(stream->job_ids, ElementsAre(kept->id));
  EXPECT_EQ(stream->engine, kept->spec.engine);
  EXPECT_EQ(stream->selector.text(), "m");
  EXPECT_EQ(store->read().get(Table::streams, key_of(kTenant, stream->id)), stream->record);
  EXPECT_EQ(add(spec("p", R"(,"labels":{"a":"b"})"))->how, Added::How::existing);
}

TEST_F(RegistryTest, AnswersTheSameRequestWithTheSameJobAndRenewsIt) {
  const auto first = add(spec("p", R"(,"valid_until":"2030-01-01T00:00:00Z")"));
  const std::string record = registry->find_stream(kTenant, first->job.stream_id)->record;
  const auto again = add(spec("p", R"(,"valid_until":"2031-01-01T00:00:00Z")"));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->how, Added::How::existing);
  EXPECT_EQ(again->job.id, first->job.id);
  EXPECT_EQ(again->job.epoch, first->job.epoch + 1);
  EXPECT_NE(again->job.spec.valid_until, first->job.spec.valid_until);
  EXPECT_NE(registry->find_stream(kTenant, first->job.stream_id)->record, record)
      << "a tick that began before must not commit";
  EXPECT_EQ(registry->jobs().size(), 1U);

  const std::uint64_t sequence = store->stat().last_sequence;
  changed.clear();
  EXPECT_EQ(add(spec("p", R"(,"valid_until":"2031-01-01T00:00:00Z")"))->job.epoch, again->job.epoch);
  EXPECT_EQ(store->stat().last_sequence, sequence) << "nothing to write";
  EXPECT_THAT(changed, IsEmpty());
}

TEST_F(RegistryTest, RefusesAnotherRequestForATakenPathNamingTheHolder) {
  const auto holder = add(spec("p"));
  const auto other = add(spec("p", R"(,"watch":"1h")"));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.refusal().kind, Refusal::Kind::conflict);
  EXPECT_EQ(other.refusal().field, "store_path");
  EXPECT_EQ(other.refusal().job_id, holder->job.id);
  EXPECT_EQ(registry->jobs().size(), 1U);
}

TEST_F(RegistryTest, SwapsBothInOneTransactionWhenAskedToReplace) {
  const auto holder = add(spec("p"));
  const std::uint64_t sequence = store->stat().last_sequence;
  const auto other = add(spec("p", R"(,"watch":"1h")"), true);
  ASSERT_TRUE(other) << other.refusal().detail;
  EXPECT_EQ(other->how, Added::How::replaced);
  EXPECT_EQ(other->replaces, holder->job.id);
  EXPECT_EQ(store->stat().last_sequence, sequence + 1);
  EXPECT_EQ(registry->find(kTenant, holder->job.id), nullptr);
  EXPECT_EQ(registry->find_path(kTenant, "p")->id, other->job.id);
  EXPECT_THAT(rested, ElementsAre(holder->job.stream_id));
  open();
  EXPECT_EQ(registry->jobs().size(), 1U);
  EXPECT_EQ(registry->find_path(kTenant, "p")->id, other->job.id);
}

TEST_F(RegistryTest, ReplacingTakesTheStreamOverWhenOnlyTheViewDiffers) {
  const auto holder = add(spec("p"));
  const auto other = add(spec("p", R"(,"record":"r")"), true);
  ASSERT_TRUE(other);
  EXPECT_EQ(other->job.stream_id, holder->job.stream_id);
  EXPECT_THAT(rested, IsEmpty());
  EXPECT_FALSE(registry->find_stream(kTenant, other->job.stream_id)->rests_until);
}

TEST_F(RegistryTest, GivesJobsWithEqualStreamsOneStreamAtTheShortestInterval) {
  const auto one = add(spec("p"));
  const auto two = add(spec("q", R"(,"record":"r","poll_interval":"20s")"));
  const auto three = add(spec("s", R"(,"record":"t","watch":"1h")"));
  EXPECT_EQ(one->job.stream_id, two->job.stream_id);
  EXPECT_NE(one->job.stream_id, three->job.stream_id);
  const Stream* shared = registry->find_stream(kTenant, one->job.stream_id);
  EXPECT_THAT(shared->job_ids, UnorderedElementsAre(one->job.id, two->job.id));
  EXPECT_EQ(shared->poll_interval, std::chrono::seconds{20});
  EXPECT_EQ(registry->streams().size(), 2U);
  ASSERT_TRUE(remove(two->job.id));
  EXPECT_EQ(registry->find_stream(kTenant, one->job.stream_id)->poll_interval, minutes{1});
  EXPECT_THAT(rested, IsEmpty());
}

TEST_F(RegistryTest, RefusesASecondOwnerOfAnOutputSeries) {
  const auto owner = add(spec("p"));
  const auto second = add(spec("q"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.refusal().kind, Refusal::Kind::conflict);
  EXPECT_EQ(second.refusal().field, "record");
  EXPECT_EQ(second.refusal().job_id, owner->job.id);
  EXPECT_TRUE(add(spec("q", R"(,"record":"r")")));
  EXPECT_TRUE(add(spec("s", R"(,"sink":"log")"))) << "another sink";
  ASSERT_TRUE(remove(owner->job.id));
  EXPECT_TRUE(add(spec("t")));
}

TEST_F(RegistryTest, AllowsOneNameForSeriesThatCannotBeTheSame) {
  ASSERT_TRUE(add(spec("a", "", R"(m{zone=\"a\"})")));
  EXPECT_TRUE(add(spec("b", "", R"(m{zone=\"b\"})")));
  EXPECT_FALSE(add(spec("c", "", R"(m{zone=~\"c.*\"})")));
  EXPECT_FALSE(add(spec("c", R"(,"labels":{"zone":"a"})", R"(m{zone=\"c\"})"))) << "the added label wins";
  EXPECT_TRUE(add(spec("c", R"(,"labels":{"zone":"c"})", R"(m{zone=~\"c.*\"})")));
}

TEST_F(RegistryTest, LetsTheStateOfADeletedJobRestAndBeTakenOver) {
  const auto added = add(spec("p"));
  ASSERT_TRUE(remove(added->job.id));
  EXPECT_EQ(registry->find(kTenant, added->job.id), nullptr);
  EXPECT_THAT(rested, ElementsAre(added->job.stream_id));
  EXPECT_EQ(registry->find_stream(kTenant, added->job.stream_id)->rests_until, kStart + hours{24});
  open();
  clocks.advance(hours{23});
  EXPECT_EQ(ask(registry->forget_rested()), 0U);
  const auto again = add(spec("p"));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->how, Added::How::created);
  EXPECT_NE(again->job.id, added->job.id);
  EXPECT_EQ(again->job.stream_id, added->job.stream_id);
  clocks.advance(hours{48});
  EXPECT_EQ(ask(registry->forget_rested()), 0U) << "it is in use again";
}

TEST_F(RegistryTest, KeepsWhatAStreamOfAFunctionAsksAlsoWhileItRests) {
  const test::FakeContext configuration;
  const auto p99 = [&configuration](const std::string& path) {
    return *parse_job(R"-({"query":"quantile_over_time(0.99, m[5m])","sketch_type":"ddsketch","by":["z"],)-"
                      R"("granularity":"1m","source":"trace","store_path":")" +
                          path + "\"}",
                      configuration, kStart);
  };
  const auto added = add(p99("p"));
  ASSERT_TRUE(added) << added.refusal().detail;
  const auto expect_asks = [&] {
    const Stream* stream = registry->find_stream(kTenant, added->job.stream_id);
    ASSERT_NE(stream, nullptr);
    ASSERT_TRUE(stream->view);
    EXPECT_EQ(stream->view->query.text(), "quantile_over_time(0.99, m[5m])");
    EXPECT_EQ(stream->view->cells, added->job.spec.view->cells);
    EXPECT_EQ(stream->view->by, added->job.spec.view->by);
    EXPECT_EQ(stream->view->feed, added->job.spec.view->feed);
    EXPECT_EQ(stream->engine, added->job.spec.engine);
  };
  expect_asks();
  open();
  expect_asks();
  EXPECT_EQ(add(p99("q"))->job.stream_id, added->job.stream_id);
  ASSERT_TRUE(remove(added->job.id));
  ASSERT_TRUE(remove(registry->find_path(kTenant, "q")->id));
  open();
  expect_asks();
  EXPECT_EQ(add(p99("p"))->job.stream_id, added->job.stream_id);
  EXPECT_FALSE(registry->find_stream(kTenant, add(spec("plain"))->job.stream_id)->view);
}

TEST_F(RegistryTest, ForgetsARestedStreamButNotTheNamesItsSamplesNeed) {
  const auto gone = add(spec("p"));
  const auto stays = add(spec("q", R"(,"record":"r","watch":"1h")"));
  WriteBatch state;
  for (const std::string& id : {gone->job.stream_id, stays->job.stream_id}) {
    state.append(Table::log, part_suffix(kTenant, id, 0), "cells");
    state.put(Table::gaps, gap_key(kTenant, id, kStart, ""), "gap");
    state.put(Table::series, series_key(kTenant, id, 1), "m");
  }
  ASSERT_TRUE(store->commit_now(std::move(state)));
  ASSERT_TRUE(remove(gone->job.id));
  clocks.advance(hours{24});
  EXPECT_EQ(ask(registry->forget_rested()), 1U);
  EXPECT_EQ(registry->find_stream(kTenant, gone->job.stream_id), nullptr);
  EXPECT_EQ(entries(Table::streams), 1U);
  EXPECT_EQ(entries(Table::log), 1U);
  EXPECT_EQ(entries(Table::gaps), 1U);
  EXPECT_EQ(entries(Table::series), 2U);
  EXPECT_NE(add(spec("p"))->job.stream_id, gone->job.stream_id);
}

TEST_F(RegistryTest, SaysWhenThereIsNothingToRemove) {
  const auto removed = remove("nothing");
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.refusal().kind, Refusal::Kind::not_found);
}

TEST_F(RegistryTest, LeavesJobsOfTheConfigurationToTheFile) {
  std::vector<JobSpec> file{spec("p")};
  ASSERT_TRUE(ask(registry->reconcile(kTenant, file)));
  const std::string id = registry->find_path(kTenant, "p")->id;
  const auto removed = remove(id);
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.refusal().kind, Refusal::Kind::conflict);
  const auto replaced = add(spec("p", R"(,"watch":"1h")"), true);
  ASSERT_FALSE(replaced);
  EXPECT_EQ(replaced.refusal().kind, Refusal::Kind::conflict);
  const auto same = add(spec("p", R"(,"valid_until":"2030-01-01T00:00:00Z")"));
  ASSERT_TRUE(same);
  EXPECT_EQ(same->how, Added::How::existing);
  EXPECT_FALSE(same->job.spec.valid_until) << "the file says when it ends";
}

TEST_F(RegistryTest, MakesTheJobsOfTheConfigurationEqualToTheFileAndTouchesNoOther) {
  const auto by_api = add(spec("api", R"(,"record":"by_api")"));
  std::vector<JobSpec> before{spec("a", R"(,"record":"a")"), spec("b", R"(,"record":"b","watch":"1h")"),
                              spec("c", R"(,"record":"c")")};
  const auto added = ask(registry->reconcile(kTenant, before));
  ASSERT_TRUE(added) << added.refusal().detail;
  EXPECT_THAT(*added, ElementsAre(HasSubstr("added a"), HasSubstr("added b"), HasSubstr("added c")));
  const Job a = *registry->find_path(kTenant, "a");
  EXPECT_EQ(a.origin, Origin::config);

  const std::uint64_t sequence = store->stat().last_sequence;
  std::vector<JobSpec> after{spec("c", R"(,"record":"c","valid_until":"2030-01-01T00:00:00Z")"),
                             spec("a", R"(,"record":"a")"), spec("b", R"(,"record":"b","watch":"2h")")};
  const auto lines = ask(registry->reconcile(kTenant, after));
  ASSERT_TRUE(lines);
  EXPECT_THAT(*lines, ElementsAre(HasSubstr("removed b"), HasSubstr("renewed c"), HasSubstr("left a"),
                                  HasSubstr("added b")));
  EXPECT_EQ(store->stat().last_sequence, sequence + 1);
  EXPECT_EQ(encode_job(*registry->find_path(kTenant, "a")), encode_job(a));
  ASSERT_TRUE(ask(registry->reconcile(kTenant, {})));
  ASSERT_EQ(registry->jobs().size(), 1U);
  EXPECT_EQ(registry->jobs()[0]->id, by_api->job.id);
}

TEST_F(RegistryTest, ChangesNothingWhenOneJobOfTheFileCannotBe) {
  const auto by_api = add(spec("p"));
  std::vector<JobSpec> file{spec("q", R"(,"record":"r")"), spec("p", R"(,"watch":"1h")")};
  const auto refused = ask(registry->reconcile(kTenant, file));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.refusal().job_id, by_api->job.id);
  EXPECT_EQ(registry->jobs().size(), 1U);
}

TEST_F(RegistryTest, DoesChangesThatComeTogetherOneAfterTheOther) {
  std::vector<Outcome<Added>> answers(8);
  for (Outcome<Added>& answer : answers) {
    asio::co_spawn(context, keep(registry->add(kTenant, spec("p"), Origin::api, false), &answer),
                   asio::detached);
  }
  const auto last = add(spec("p"));
  ASSERT_TRUE(last);
  std::size_t created = 0;
  for (const Outcome<Added>& answer : answers) {
    ASSERT_TRUE(answer) << answer.refusal().detail;
    EXPECT_EQ(answer->job.id, last->job.id);
    if (answer->how == Added::How::created) ++created;
  }
  EXPECT_EQ(created, 1U);
}

TEST_F(RegistryTest, ChangesNothingInMemoryWhenTheStoreRefuses) {
  const auto added = add(spec("p"));
  WriteBatch behind;  // what a second writer would do
  behind.put(Table::streams, key_of(kTenant, added->job.stream_id), "other");
  ASSERT_TRUE(store->commit_now(std::move(behind)));
  changed.clear();
  const auto removed = remove(added->job.id);
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.refusal().kind, Refusal::Kind::unavailable);
  EXPECT_NE(registry->find(kTenant, added->job.id), nullptr);
  EXPECT_THAT(rested, IsEmpty());
}

TEST_F(RegistryTest, ListsInPagesByAgeAlsoWhenTheLastOfAPageIsDeleted) {
  std::vector<std::string> paths;
  for (int i = 0; i < 5; ++i) {
    const std::string path = "p" + std::to_string(i);
    ASSERT_TRUE(add(spec(path, ",\"record\":\"" + path + "\"")));
    clocks.advance(minutes{1});
  }
  const auto first = registry->list(kTenant, "", 2);
  ASSERT_EQ(first.size(), 2U);
  const std::string cursor = list_cursor(*first[1]);
  EXPECT_TRUE(is_list_cursor(cursor));
  EXPECT_FALSE(is_list_cursor("next"));
  ASSERT_TRUE(remove(first[1]->id));
  for (const Job* job : registry->list(kTenant, cursor, 10)) paths.push_back(job->spec.store_path);
  EXPECT_THAT(paths, ElementsAre("p2", "p3", "p4"));
  EXPECT_THAT(registry->list("other", "", 10), IsEmpty());
}

TEST_F(RegistryTest, RefusesToLoadARecordItCannotRead) {
  WriteBatch bad;
  bad.put(Table::jobs, key_of(kTenant, "x"), "{}");
  ASSERT_TRUE(store->commit_now(std::move(bad)));
  Registry other(*store, clocks, hours{24});
  const auto loaded = other.load();
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().kind, engine::ErrorKind::corrupt);
  EXPECT_THAT(loaded.error().detail, HasSubstr("job x"));
}

}  // namespace
}  // namespace settle::runner
