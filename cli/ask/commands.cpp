#include "cli/ask/commands.hpp"

#include <iostream>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "cli/ask/backfill.hpp"
#include "cli/ask/evidence.hpp"

namespace settle::cli {
namespace {

using Action = std::function<int()>;

constexpr const char* kTimes =
    "TIME is RFC 3339 (2026-06-26T13:57:00Z), epoch milliseconds, now, or one before now: -2h, -1d12h.\n"
    "JOB is a job's id or its store_path.";

template <class Options>
CLI::App* with_job(CLI::App* command, const std::shared_ptr<Options>& options) {
  command->add_option("JOB", options->job, "The job: its id or its store_path")->required();
  command->add_option("--server", options->server, "The daemon")->type_name("URL")->capture_default_str();
  return command;
}

void add_backfill_add(CLI::App& parent, const std::shared_ptr<BackfillOptions>& options, Action& action) {
  auto* add = with_job(parent.add_subcommand("add", "Fill a past range of a job"), options);
  add->add_option("--start", options->start, "The first bucket starts at or after this")
      ->required()
      ->type_name("TIME");
  add->add_option(
         "--end", options->end,
         "The last bucket ends at or before this (now); what the job still watches is left to the live "
         "lane")
      ->type_name("TIME");
  add->add_option("--chunk", options->chunk,
                  "Source time that one question to the source covers, such as 1h (chosen by the daemon)")
      ->type_name("DURATION");
  add->add_option("--rate", options->rate,
                  "At most so many samples per second (as fast as source and sink go)")
      ->type_name("N");
  add->add_flag("--force", options->force, "Also read what is sealed again; what differs is a correction");
  add->add_flag("--watch", options->watch, "Stay until it ends; Ctrl-C leaves it running");
  add->add_flag("--json", options->as_json, "The daemon's answer as it is");
  add->footer(kTimes);
  add->callback(
      [&action, options] { action = [options] { return add_backfill(*options, std::cout, std::cerr); }; });
}

CLI::App* with_id(CLI::App* command, const std::shared_ptr<BackfillOptions>& options) {
  with_job(command, options)
      ->add_option("ID", options->id, "The backfill, as `settle backfill list` prints it")
      ->required();
  return command;
}

void add_backfill(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("backfill", "Fill past ranges of a job, and see how far it is");
  command->require_subcommand(1);
  auto options = std::make_shared<BackfillOptions>();
  add_backfill_add(*command, options, action);

  auto* list = with_job(command->add_subcommand("list", "The backfills of a job, oldest first"), options);
  list->add_flag("--json", options->as_json, "The daemon's answer as it is");
  list->callback(
      [&action, options] { action = [options] { return list_backfills(*options, std::cout, std::cerr); }; });

  auto* get = with_id(command->add_subcommand("get", "One backfill and how far it is"), options);
  get->add_flag("--json", options->as_json, "The daemon's answer as it is");
  get->callback(
      [&action, options] { action = [options] { return show_backfill(*options, std::cout, std::cerr); }; });

  auto* watch = with_id(command->add_subcommand("watch", "Follow a backfill until it ends"), options);
  watch->footer(
      "Exit codes: 0 done; 1 failed, cancelled or no answer; 130 stopped with Ctrl-C, which leaves the "
      "backfill running.");
  watch->callback(
      [&action, options] { action = [options] { return watch_backfill(*options, std::cout, std::cerr); }; });

  const auto add_verb = [&](const std::string& verb, const std::string& description) {
    with_id(command->add_subcommand(verb, description), options)->callback([&action, options, verb] {
      action = [options, verb] { return steer_backfill(*options, verb, std::cout, std::cerr); };
    });
  };
  add_verb("pause", "Stop it until it is resumed, also over restarts of the daemon");
  add_verb("resume", "Go on with a paused one");
  add_verb("cancel", "End it; what was filled stays");
}

void add_gaps(CLI::App& app, Action& action) {
  auto options = std::make_shared<EvidenceOptions>();
  auto* command = with_job(
      app.add_subcommand("gaps", "What the live lane of a job had to give up, and what became of it"),
      options);
  command->add_flag("--json", options->as_json, "The daemon's answer as it is");
  command->callback(
      [&action, options] { action = [options] { return list_gaps(*options, std::cout, std::cerr); }; });
}

void add_verify(CLI::App& app, Action& action) {
  auto options = std::make_shared<EvidenceOptions>();
  auto* command = app.add_subcommand(
      "verify",
      "Compare what a job's sinks acknowledged with what they have (exit code 1 when anything differs, "
      "or a sink refused rows)");
  command->add_option("--job", options->job, "The job: its id or its store_path")
      ->required()
      ->type_name("JOB");
  command->add_option("--from", options->from, "The first timestamp")->required()->type_name("TIME");
  command->add_option("--to", options->to, "Before this timestamp")->required()->type_name("TIME");
  command->add_option("--limit", options->limit, "Show so many differences; all are counted")
      ->check(CLI::Range(0, 1000))
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--server", options->server, "The daemon")->type_name("URL")->capture_default_str();
  command->add_flag("--json", options->as_json, "The daemon's answer as it is");
  command->footer(kTimes);
  command->callback(
      [&action, options] { action = [options] { return verify_job(*options, std::cout, std::cerr); }; });
}

void add_revisions(CLI::App& app, Action& action) {
  auto options = std::make_shared<EvidenceOptions>();
  auto* command = with_job(
      app.add_subcommand("revisions", "Every value a job emitted, in the order of emission, and why"),
      options);
  command->add_option("--series", options->series, "Only this output series, such as 'm{zone=\"a\"}'");
  command->add_option("--from", options->from, "The first timestamp")->type_name("TIME");
  command->add_option("--to", options->to, "Before this timestamp")->type_name("TIME");
  command->add_option("--limit", options->limit, "At most so many")
      ->check(CLI::Range(1, 1'000'000))
      ->type_name("N")
      ->capture_default_str();
  command->add_flag("--json", options->as_json, "The daemon's answers as they are, one page per line");
  command->footer(kTimes);
  command->callback(
      [&action, options] { action = [options] { return list_revisions(*options, std::cout, std::cerr); }; });
}

}  // namespace

void add_ask_commands(CLI::App& app, Action& action) {
  add_backfill(app, action);
  add_gaps(app, action);
  add_verify(app, action);
  add_revisions(app, action);
}

}  // namespace settle::cli
