#include "runner/service.hpp"

namespace settle::runner {

std::string_view job_state_text(JobState state) {
  switch (state) {
    case JobState::starting:
      return "starting";
    case JobState::running:
      return "running";
    case JobState::limited:
      return "limited";
    case JobState::paused:
      return "paused";
    case JobState::failing:
      return "failing";
    case JobState::expired:
      return "expired";
  }
  return "";
}

}  // namespace settle::runner
