// cli/main.cpp: the sub-commands and their options. What they do is in the files beside this one.
#include <chrono>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <string>

#include <CLI/CLI.hpp>

#include "cli/ask/commands.hpp"
#include "cli/ask/daemon_call.hpp"
#include "cli/config/check_config.hpp"
#include "cli/demo/demo.hpp"
#include "cli/jobs.hpp"
#include "cli/record_command.hpp"
#include "cli/replay/replay_command.hpp"
#include "cli/serve.hpp"
#include "cli/sketch/commands.hpp"
#include "cli/store_tools.hpp"
#include "cli/version.hpp"

namespace settle::cli {
namespace {

/// What the chosen sub-command does; returns the exit code.
using Action = std::function<int()>;

/// As CLI11 wants it: "" when good.
std::string time_problem(const std::string& text) {
  const auto time = engine::parse_time(text);
  return time ? "" : time.error().detail;
}

void add_serve(CLI::App& app, Action& action) {
  auto* command =
      app.add_subcommand("serve", "Run the daemon until SIGTERM; SIGHUP reads the configuration again");
  auto options = std::make_shared<ServeOptions>();
  auto start = std::make_shared<std::string>();
  command->add_option("--config", options->config_file, "Configuration (docs/configuration.md)")
      ->required()
      ->type_name("FILE");
  command->add_option("--data", options->data_dir, "Folder of the store, instead of data_dir")
      ->type_name("DIR");
  command->add_option("--listen", options->listen, "Address of the REST API, instead of listen")
      ->type_name("HOST:PORT");
  CLI::Option* clock_start = command->add_option(
      "--clock-start", *start,
      "Source time starts here (RFC 3339 or epoch milliseconds): for demos, tests and rehearsals");
  clock_start->type_name("TIME")->check(CLI::Validator(time_problem, ""));
  command->add_option("--clock-speed", options->clock_speed, "Source time runs so many times as fast")
      ->type_name("N")
      ->needs(clock_start)
      ->check(CLI::Range(0.001, 100'000.0))
      ->check(CLI::Validator(
          [](const std::string& text) {
            return text.find_first_not_of("0123456789.") == text.npos ? ""
                                                                      : "expected a number such as 60 or 0.5";
          },
          ""));
  command->callback([&action, options, start] {
    action = [options, start] {
      if (!start->empty()) options->clock_start = *engine::parse_time(*start);
      return serve(*options);
    };
  });
}

int run_check_config(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  // A folder opens, but does not read.
  if (!in || std::filesystem::is_directory(file)) {
    std::cerr << "settle check-config: cannot read \"" << file << "\"\n";
    return 2;
  }
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const ConfigReport report = check_config(text, file, wall_now());
  for (const std::string& line : report.errors) std::cout << "error: " << line << '\n';
  for (const std::string& line : report.warnings) std::cout << "warning: " << line << '\n';
  if (!report.errors.empty()) return 1;
  std::cout << "OK: " << report.summary << '\n';
  return 0;
}

void add_check_config(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand(
      "check-config",
      "Say everything that is wrong with a configuration (exit code 1), and what is probably not meant");
  auto file = std::make_shared<std::string>();
  command->add_option("FILE", *file, "The configuration")->required();
  command->callback([&action, file] { action = [file] { return run_check_config(*file); }; });
}

void add_jobs(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("jobs", "List, add and remove the jobs of a running daemon");
  command->require_subcommand(1);
  auto options = std::make_shared<JobsOptions>();
  const auto with_server = [&options](CLI::App* verb) {
    verb->add_option("--server", options->server, "The daemon")->type_name("URL")->capture_default_str();
    return verb;
  };
  auto* list = with_server(command->add_subcommand("list", "One line per job"));
  list->add_flag("--json", options->as_json, "The daemon's answer as it is");
  list->callback(
      [&action, options] { action = [options] { return list_jobs(*options, std::cout, std::cerr); }; });

  auto* add = with_server(command->add_subcommand("add", "Register the job in FILE (docs/jobs.md)"));
  add->add_option("FILE", options->body_file, "A JSON object; - reads standard input")->required();
  add->add_flag("--replace", options->replace, "Take the place of the job that holds the store_path");
  add->callback([&action, options] {
    action = [options] { return add_job(*options, std::cin, std::cout, std::cerr); };
  });

  auto* remove =
      with_server(command->add_subcommand("rm", "Delete a job; what it emitted is still delivered"));
  remove->add_option("JOB", options->job_id, "The job: its id or its store_path")->required();
  remove->add_flag("--flush", options->flush, "What is not settled yet goes out first, as it is");
  remove->callback(
      [&action, options] { action = [options] { return remove_job(*options, std::cout, std::cerr); }; });
}

void add_replay(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand(
      "replay",
      "Run a trace through the engine in virtual time: what would be emitted, when, and how often wrong");
  auto options = std::make_shared<ReplayArguments>();
  command->add_option("TRACE", options->paths, "Trace files or folders (docs/trace.md)")->required();
  command->add_option("--policy", options->policy, "consecutive:N, fixed:D or learned[:E[,tolerance=R]]")
      ->capture_default_str();
  command
      ->add_option("--compare", options->compare,
                   "Policies side by side instead of one in detail; may be given several times: "
                   "consecutive:2,3,5, fixed:5m,10m, learned:1%,tolerance=1%")
      ->type_name("POLICIES")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->excludes("--policy");
  command
      ->add_option(
          "--chart", options->chart,
          "With --compare: the SVG of error against latency; default: the trace's name with .svg, in "
          "the current folder. The chart of an earlier comparison is replaced, no other file")
      ->type_name("FILE");
  command->add_option("--granularity", options->granularity, "Length of the buckets")->capture_default_str();
  command->add_option("--poll", options->poll, "Time between two polls")->capture_default_str();
  command->add_option("--watch", options->watch, "Age at which a bucket is sealed; default as for a job");
  command->add_option("--ttl", options->ttl, "Age at which a bucket goes out as it is; default: watch");
  command->add_option("--skip", options->skip,
                      "Judge no bucket of the first so much time: what learns starts with nothing");
  command
      ->add_option("--until", options->until,
                   "Judge no bucket that ends later: the newest of a recording may not be final")
      ->type_name("TIME");
  command->add_option("--corrections", options->corrections, "repush or hold")->capture_default_str();
  command->add_option("--liveness", options->liveness, "auto, frontier, movement or answers")
      ->capture_default_str();
  command->add_option("--sink", options->sink, "Also write the samples to a new file of JSON lines")
      ->type_name("file:OUT");
  command->callback(
      [&action, options] { action = [options] { return run_replay(*options, std::cout, std::cerr); }; });
}

void add_trace(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("trace", "Work with traces (docs/trace.md)");
  command->require_subcommand(1);
  auto* record = command->add_subcommand(
      "record", "Poll a source and write down every change of its answers, for `settle replay`");
  auto options = std::make_shared<RecordArguments>();
  auto start = std::make_shared<std::string>();
  record
      ->add_option("--source", options->source,
                   "A source of the configuration, or the URL of a server with the Prometheus API")
      ->required()
      ->type_name("NAME|URL");
  record->add_option("--out", options->out, "The trace to write: a new file")->required()->type_name("FILE");
  record->add_option("--selector", options->selector, "The series to record, as a job's query names them")
      ->required()
      ->type_name("SELECTOR");
  record
      ->add_option("--query", options->query,
                   "With a URL: the PromQL expression that gives them; default: the selector")
      ->type_name("PROMQL");
  record->add_option("--config", options->config_file, "Configuration that has the source")
      ->type_name("FILE");
  record->add_option("--granularity", options->granularity, "Length of the buckets")->capture_default_str();
  record->add_option("--poll", options->poll, "Time between two polls")->capture_default_str();
  record->add_option("--watch", options->watch, "Age up to which a bucket is polled; default as for a job");
  record->add_option("--duration", options->duration,
                     "Take up new buckets for so long, then see the last ones through their watch; default: "
                     "until SIGINT or SIGTERM");
  record->add_option("--clock-start", *start, "Source time starts here, for rehearsals")
      ->type_name("TIME")
      ->check(CLI::Validator(time_problem, ""));
  record->add_option("--clock-speed", options->clock_speed, "Source time runs so many times as fast")
      ->type_name("N")
      ->check(CLI::Range(0.001, 100'000.0));
  record->callback([&action, options, start] {
    action = [options, start] {
      if (!start->empty()) options->clock_start = *engine::parse_time(*start);
      return record_trace(*options);
    };
  });
}

void add_store_tools(CLI::App& app, Action& action) {
  auto options = std::make_shared<StoreArguments>();
  const auto with_store = [&options](CLI::App* verb) {
    verb->add_option("--config", options->config_file, "Configuration whose store is meant")
        ->type_name("FILE");
    verb->add_option("--data", options->data_dir, "Folder of the store")->type_name("DIR");
    return verb;
  };
  auto* backup = with_store(app.add_subcommand("backup", "Copy the store, also while the daemon writes"));
  backup->add_option("DIR", options->into, "An empty or absent folder")->required();
  backup->callback(
      [&action, options] { action = [options] { return backup_store(*options, std::cout, std::cerr); }; });
  auto* store = app.add_subcommand("store", "Look into the store");
  store->require_subcommand(1);
  with_store(store->add_subcommand("stat", "Entries and bytes of every table"))->callback([&action, options] {
    action = [options] { return print_store_stat(*options, std::cout, std::cerr); };
  });
}

void add_demo(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("demo", "Parts of scripts/demo");
  command->require_subcommand(1);
  auto options = std::make_shared<DemoArguments>();
  auto* trace = command->add_subcommand("trace", "Make an arrival curve over recorded final values");
  trace->add_option("--from", options->recorded, "Folder of recorded fetches")->required();
  trace->add_option("--out", options->trace_file, "The trace to write")->required();
  trace->callback(
      [&action, options] { action = [options] { return make_demo_trace(*options, std::cout, std::cerr); }; });
  auto* report = command->add_subcommand("report", "Wait for the end, then compare with the recording");
  report->add_option("--server", options->server, "The daemon")->type_name("URL");
  report->add_option("--from", options->recorded, "Folder of recorded fetches")->required();
  report->add_option("--trace", options->trace_file, "The trace that the daemon plays")->required();
  report->add_option("--store-path", options->store_path, "Of the job")->required();
  report->add_option("--tsdb", options->tsdb, "VictoriaMetrics to compare with as well")->type_name("URL");
  report->add_option("--wait", options->wait_seconds, "Give up after so many seconds")->capture_default_str();
  report->callback(
      [&action, options] { action = [options] { return report_demo(*options, std::cout, std::cerr); }; });
}

int run(int argc, char** argv) {
  CLI::App app("Settle: turns time-bucketed data that is still changing into samples that can be trusted.",
               "settle");
  app.require_subcommand(1);
  app.footer("Exit codes: 0 done, 1 refused or failed, 2 bad usage or unreadable file.");
  Action action;
  add_serve(app, action);
  add_check_config(app, action);
  add_replay(app, action);
  add_trace(app, action);
  add_jobs(app, action);
  add_ask_commands(app, action);
  add_store_tools(app, action);
  add_sketch_commands(app, action);
  add_demo(app, action);
  app.add_subcommand("version", "Print the version")->callback([&action] {
    action = [] {
      std::cout << "settle " << kVersion << '\n';
      return 0;
    };
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return action();
}

}  // namespace
}  // namespace settle::cli

int main(int argc, char** argv) {
  try {
    return settle::cli::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "settle: " << error.what() << '\n';
    return 1;
  }
}
