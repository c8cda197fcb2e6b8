// What the store keeps when its writer is killed, and what others may do beside a writer: with child
// processes.
#include <csignal>
#include <functional>
#include <random>
#include <sys/resource.h>
#include <sys/wait.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "runner/store/keys.hpp"
#include "runner/store/store.hpp"
#include "tests/runner/store/store_directory.hpp"

namespace settle::runner {
namespace {

using testing::HasSubstr;

constexpr std::size_t kBytesMax = std::size_t{64} << 20;

/// A process that runs `body` with the write end of a pipe and then waits to be killed.
class Child {
 public:
  explicit Child(const std::function<void(int)>& body) {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) ADD_FAILURE() << "no pipe";
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(ends[0]);
      body(ends[1]);
      ::_exit(0);
    }
    ::close(ends[1]);
    from_child_ = ends[0];
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    kill();
    ::close(from_child_);
  }

  /// The next 8 bytes that the child wrote; none at its end.
  std::optional<std::uint64_t> next() {
    std::uint64_t value = 0;
    return ::read(from_child_, &value, sizeof value) == sizeof value ? std::optional{value} : std::nullopt;
  }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    wait();
  }
  int wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  int from_child_ = -1;
};

void tell(int to_parent, std::uint64_t value) {
  if (::write(to_parent, &value, sizeof value) != sizeof value) ::_exit(1);
}

/// Each commit appends one row of every table that is ordered by sequence and moves a counter: all or
/// nothing.
void commit_for_ever(const std::string& directory, int to_parent) {
  auto store = Store::open({.directory = directory, .bytes_max = kBytesMax});
  if (!store) ::_exit(1);
  for (std::uint64_t n = 0;; ++n) {
    WriteBatch batch;
    batch.append(Table::log, "s", std::string(n % 9000, 'x'));
    batch.append(Table::ledger, "s", "");
    batch.put(Table::sinks, "counter", key_u64((*store)->stat().last_sequence + 1));
    const auto committed = (*store)->commit_now(std::move(batch));
    if (!committed) ::_exit(1);
    tell(to_parent, committed->sequence);
  }
}

TEST(StoreCrash, KeepsEveryCommitItAnsweredWhenTheWriterIsKilled) {
  const StoreDirectory directory;
  std::mt19937 random{42};
  std::uint64_t last = 0;
  for (int round = 0; round < 12; ++round) {
    Child child{[&](int to_parent) { commit_for_ever(directory.path(), to_parent); }};
    const auto commits = 1 + random() % 60;
    for (std::uint64_t i = 0; i < commits; ++i) {
      const auto sequence = child.next();
      ASSERT_TRUE(sequence);
      ASSERT_GT(*sequence, last);
      last = *sequence;
    }
    child.kill();
    while (const auto sequence = child.next()) last = *sequence;

    auto store = Store::open({.directory = directory.path(), .bytes_max = kBytesMax});
    ASSERT_TRUE(store) << store.error().detail;
    const std::uint64_t kept = (*store)->stat().last_sequence;
    ASSERT_GE(kept, last);
    ASSERT_LE(kept, last + 1) << "one commit may have been on its way";
    last = kept;
    std::vector<std::uint64_t> logged;
    std::vector<std::uint64_t> ledgered;
    const ReadTransaction view = (*store)->read();
    const auto collect = [](std::vector<std::uint64_t>& into) {
      return [&into](std::string_view key, std::string_view) {
        into.push_back(read_u64(key.substr(0, 8)));
        return true;
      };
    };
    view.scan(Table::log, "", "", collect(logged));
    view.scan(Table::ledger, "", "", collect(ledgered));
    ASSERT_EQ(logged, ledgered);
    ASSERT_EQ(logged.size(), kept);
    ASSERT_EQ(logged.back(), kept);
    ASSERT_EQ(view.get(Table::sinks, "counter"), key_u64(kept));
  }
}

TEST(StoreCrash, IsReadBesideTheDaemonThatWrites) {
  const StoreDirectory directory;
  Child child{[&](int to_parent) { commit_for_ever(directory.path(), to_parent); }};
  ASSERT_TRUE(child.next());
  const auto second = Store::open({.directory = directory.path(), .bytes_max = kBytesMax});
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().detail, HasSubstr("process " + std::to_string(child.pid())));

  auto reader = Store::open({.directory = directory.path(), .read_only = true});
  ASSERT_TRUE(reader) << reader.error().detail;
  EXPECT_EQ((*reader)->epoch(), 1U);
  EXPECT_EQ((*reader)->stat().bytes_max, kBytesMax);
  EXPECT_GT((*reader)->fill(), 0.0);
  const std::uint64_t before = (*reader)->stat().last_sequence;
  while (*child.next() < before + 5) {
  }
  EXPECT_GE((*reader)->stat().last_sequence, before + 5);
  const StoreDirectory other;
  ASSERT_TRUE((*reader)->backup(other.path() + "/copy"));
  child.kill();
  auto copy = Store::open({.directory = other.path() + "/copy", .read_only = true});
  ASSERT_TRUE(copy) << copy.error().detail;
  EXPECT_EQ((*copy)->stat().tables[4].entries, (*copy)->stat().last_sequence);
}

TEST(StoreCrash, GoesOnWhenAFullDiskHasRoomAgain) {
  const StoreDirectory directory;
  Child child{[&](int to_parent) {
    auto store = Store::open({.directory = directory.path(), .bytes_max = kBytesMax});
    if (!store) ::_exit(1);
    const auto put = [&](std::uint64_t n) {
      WriteBatch batch;
      batch.put(Table::jobs, key_u64(n), std::string(100'000, 'x'));
      return (*store)->commit_now(std::move(batch));
    };
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit{};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    const rlimit small{.rlim_cur = std::size_t{2} << 20, .rlim_max = limit.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
    std::uint64_t n = 0;
    auto outcome = put(n);
    while (outcome && n < 100) outcome = put(++n);
    tell(to_parent, !outcome && outcome.error().kind == engine::ErrorKind::retry_later ? n : 1000);
    ::setrlimit(RLIMIT_FSIZE, &limit);
    tell(to_parent, put(n) ? n : 1000);
    tell(to_parent, (*store)->stat().tables[1].entries);
  }};
  const auto refused = child.next();
  ASSERT_TRUE(refused);
  EXPECT_LT(*refused, 30U);
  EXPECT_EQ(child.next(), refused) << "the same batch fits now";
  EXPECT_EQ(child.next(), *refused + 1);
}

}  // namespace
}  // namespace settle::runner
