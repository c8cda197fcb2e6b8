// What the outside may ask of the backfill lane (runner/service.hpp).
#include "runner/backfill.hpp"
#include "runner/runner_impl.hpp"

namespace settle::runner {

namespace asio = boost::asio;

std::string_view backfill_state_text(BackfillState state) {
  switch (state) {
    case BackfillState::queued:
      return "queued";
    case BackfillState::running:
      return "running";
    case BackfillState::waiting:
      return "waiting";
    case BackfillState::paused:
      return "paused";
    case BackfillState::done:
      return "done";
    case BackfillState::cancelled:
      return "cancelled";
    case BackfillState::failed:
      return "failed";
  }
  return "unknown";
}

std::string_view gap_state_text(GapState state) {
  switch (state) {
    case GapState::open:
      return "open";
    case GapState::scheduled:
      return "scheduled";
    case GapState::filled:
      return "filled";
    case GapState::impossible:
      return "impossible";
  }
  return "unknown";
}

namespace {
Refusal not_yet() {
  return {.kind = Refusal::Kind::unavailable, .field = {}, .detail = "not built yet", .job_id = {}};
}
}  // namespace

asio::awaitable<Outcome<AddedBackfill>> Runner::Impl::add_backfill(std::string, std::string, std::string) {
  co_return not_yet();
}
std::vector<BackfillStatus> Runner::Impl::list_backfills(const std::string&, const std::string&,
                                                         const std::string&, std::size_t) const {
  return {};
}
std::optional<BackfillStatus> Runner::Impl::find_backfill(const std::string&, const std::string&,
                                                          const std::string&) const {
  return {};
}
asio::awaitable<Outcome<BackfillStatus>> Runner::Impl::steer_backfill(std::string, std::string, std::string,
                                                                      Steer) {
  co_return not_yet();
}
std::vector<GapStatus> Runner::Impl::gaps(const std::string&, const std::string&, std::size_t,
                                          std::size_t) const {
  return {};
}
asio::awaitable<Outcome<VerifyReport>> Runner::Impl::verify(std::string, std::string, engine::TimeRange,
                                                            std::size_t) {
  co_return not_yet();
}

}  // namespace settle::runner
