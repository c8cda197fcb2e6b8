#include "api/routes.hpp"

#include <gtest/gtest.h>

namespace settle::api {
namespace {

TEST(Routes, FindWhatIsMeantByMethodAndPath) {
  struct Row {
    const char* method;
    const char* path;
    Endpoint endpoint;
    const char* argument;
    const char* second = "";
  };
  for (const Row& row : {
           Row{"GET", "/", Endpoint::home, ""},
           Row{"GET", "/healthz", Endpoint::healthz, ""},
           Row{"HEAD", "/healthz", Endpoint::healthz, ""},
           Row{"GET", "/readyz", Endpoint::readyz, ""},
           Row{"GET", "/metrics", Endpoint::metrics, ""},
           Row{"POST", "/api/v1/precompute/jobs", Endpoint::add_job, ""},
           Row{"GET", "/api/v1/precompute/jobs", Endpoint::list_jobs, ""},
           Row{"GET", "/api/v1/precompute/jobs/0a", Endpoint::get_job, "0a"},
           Row{"DELETE", "/api/v1/precompute/jobs/0a", Endpoint::delete_job, "0a"},
           Row{"POST", "/api/v1/precompute/jobs/0a/backfills", Endpoint::add_backfill, "0a"},
           Row{"GET", "/api/v1/precompute/jobs/0a/backfills", Endpoint::list_backfills, "0a"},
           Row{"HEAD", "/api/v1/precompute/jobs/0a/backfills/b1", Endpoint::get_backfill, "0a", "b1"},
           Row{"GET", "/api/v1/precompute/jobs/0a/backfills/b1", Endpoint::get_backfill, "0a", "b1"},
           Row{"DELETE", "/api/v1/precompute/jobs/0a/backfills/b1", Endpoint::cancel_backfill, "0a", "b1"},
           Row{"POST", "/api/v1/precompute/jobs/0a/backfills/b1/pause", Endpoint::pause_backfill, "0a", "b1"},
           Row{"POST", "/api/v1/precompute/jobs/0a/backfills/b1/resume", Endpoint::resume_backfill, "0a",
               "b1"},
           Row{"GET", "/api/v1/precompute/jobs/0a/gaps", Endpoint::gaps, "0a"},
           Row{"POST", "/api/v1/precompute/jobs/0a/verify", Endpoint::verify, "0a"},
           Row{"GET", "/api/v1/precompute/results/a", Endpoint::result, "a"},
           Row{"GET", "/api/v1/precompute/results/a/b/c", Endpoint::result, "a/b/c"},
           Row{"GET", "/api/v1/outbox", Endpoint::outbox, ""},
           Row{"GET", "/api/v1/dead-letters", Endpoint::dead_letters, ""},
           Row{"GET", "/api/v1/revisions", Endpoint::revisions, ""},
           Row{"GET", "", Endpoint::no_such_path, ""},
           Row{"GET", "/api", Endpoint::no_such_path, ""},
           Row{"GET", "/api/v1/precompute/jobs/", Endpoint::no_such_path, ""},
           Row{"GET", "/api/v1/precompute/jobs/a/b", Endpoint::no_such_path, ""},
           Row{"GET", "/api/v1/precompute/jobs//backfills", Endpoint::no_such_path, ""},
           Row{"GET", "/api/v1/precompute/jobs/a/backfills/", Endpoint::no_such_path, ""},
           Row{"GET", "/api/v1/precompute/jobs/a/b/backfills", Endpoint::no_such_path, ""},
           Row{"POST", "/api/v1/precompute/jobs/a/backfills//pause", Endpoint::no_such_path, ""},
           Row{"POST", "/api/v1/precompute/jobs/a/backfills/b/stop", Endpoint::no_such_path, ""},
           Row{"GET", "/api/v1/precompute/jobs/a/gaps/", Endpoint::no_such_path, ""},
           Row{"GET", "/api/v1/precompute/results/", Endpoint::no_such_path, ""},
           Row{"GET", "/api/v1/precompute/results", Endpoint::no_such_path, ""},
           Row{"GET", "//healthz", Endpoint::no_such_path, ""},
           Row{"GET", "/healthz/", Endpoint::no_such_path, ""},
       }) {
    const Route route = find_route(row.method, row.path);
    EXPECT_EQ(route.endpoint, row.endpoint) << row.method << " " << row.path;
    EXPECT_EQ(route.argument, row.argument) << row.method << " " << row.path;
    EXPECT_EQ(route.second, row.second) << row.method << " " << row.path;
  }
}

TEST(Routes, SayWhatAPathAllows) {
  EXPECT_EQ(find_route("PUT", "/api/v1/precompute/jobs").endpoint, Endpoint::no_such_method);
  EXPECT_EQ(find_route("PUT", "/api/v1/precompute/jobs").allow, "POST, GET, HEAD");
  EXPECT_EQ(find_route("PATCH", "/api/v1/precompute/jobs/x").allow, "GET, HEAD, DELETE");
  EXPECT_EQ(find_route("PUT", "/api/v1/precompute/jobs/x/backfills").allow, "POST, GET, HEAD");
  EXPECT_EQ(find_route("GET", "/api/v1/precompute/jobs/x/backfills/y/pause").allow, "POST");
  EXPECT_EQ(find_route("POST", "/metrics").allow, "GET, HEAD");
  EXPECT_EQ(find_route("get", "/metrics").endpoint, Endpoint::no_such_method) << "methods are case-sensitive";
}

}  // namespace
}  // namespace settle::api
