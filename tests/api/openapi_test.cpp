#include <algorithm>
#include <cctype>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include "api/routes.hpp"
#include "tests/api/api_fixture.hpp"

namespace settle::api {
namespace {

using OpenApi = ApiTest;

std::set<std::string> properties(const YAML::Node& document, const std::string& schema) {
  std::set<std::string> names;
  for (const auto& property : document["components"]["schemas"][schema]["properties"]) {
    names.insert(property.first.as<std::string>());
  }
  return names;
}

std::set<std::string> required(const YAML::Node& document, const std::string& schema) {
  const YAML::Node names = document["components"]["schemas"][schema]["required"];
  std::set<std::string> found;
  for (const auto& name : names) found.insert(name.as<std::string>());
  return found;
}

TEST_F(OpenApi, DescribesEveryEndpointAndNoOther) {
  const YAML::Node document = YAML::LoadFile(SETTLE_OPENAPI);
  std::set<Endpoint> described;
  for (const auto& path : document["paths"]) {
    std::string example = path.first.as<std::string>();
    std::erase_if(example, [](char c) { return c == '{' || c == '}'; });
    for (const auto& operation : path.second) {
      std::string method = operation.first.as<std::string>();
      if (method == "parameters") continue;
      std::transform(method.begin(), method.end(), method.begin(),
                     [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
      const Endpoint endpoint = find_route(method, example).endpoint;
      EXPECT_LT(endpoint, Endpoint::no_such_path) << method << " " << example;
      EXPECT_TRUE(described.insert(endpoint).second) << method << " " << example;
    }
  }
  EXPECT_EQ(described.size(), static_cast<std::size_t>(Endpoint::no_such_path));
}

TEST_F(OpenApi, DescribesEveryMemberOfAJob) {
  const YAML::Node document = YAML::LoadFile(SETTLE_OPENAPI);
  std::set<std::string> known = properties(document, "Job");
  known.merge(properties(document, "JobRequest"));
  add("p");
  const std::string more = R"(,"granularity":"1m","source":"trace","by":["a"],"store_path":")";
  for (const char* asked : {R"-({"query":"quantile_over_time(1, m[1m])","sketch_type":"ddsketch")-",
                            R"-({"query":"count_distinct_over_time(m[1m])","sketch_type":"hll","item":"i")-",
                            R"-({"query":"top_k_over_time(1, m[1m])","sketch_type":"countsketch")-"}) {
    (void)ask_object(201, "POST", kJobs, asked + more + std::string(1, asked[10]) + "\"}");
  }
  const auto list = ask_object(200, "GET", kJobs);
  EXPECT_EQ(list.at("jobs").as_array().size(), 4U);
  for (const auto& job : list.at("jobs").as_array()) {
    for (const auto& member : job.as_object()) {
      EXPECT_TRUE(known.count(std::string(member.key())) > 0) << member.key();
    }
  }
}

TEST_F(OpenApi, NamesOnlyFieldsThatARequestMayHave) {
  const YAML::Node document = YAML::LoadFile(SETTLE_OPENAPI);
  for (const std::string& field : properties(document, "JobRequest")) {
    const auto problem = ask_object(422, "POST", kJobs, "{\"" + field + "\":null}");
    EXPECT_EQ(std::string(problem.at("detail").as_string()).find("not a field"), std::string::npos) << field;
  }
  EXPECT_NE(std::string(ask_object(422, "POST", kJobs, R"({"colour":1})").at("detail").as_string())
                .find("not a field"),
            std::string::npos);
}

TEST_F(OpenApi, DescribesEveryMemberOfABackfillAGapAndAReport) {
  const YAML::Node document = YAML::LoadFile(SETTLE_OPENAPI);
  const std::string job = add("p");
  const std::string path = std::string(kJobs) + "/" + job;
  service.gaps_of[job] = {runner::GapStatus{}};
  service.report.mismatches = {runner::Mismatch{}};
  const auto expect_described = [&document](const boost::json::object& object, const std::string& schema) {
    std::set<std::string> members;
    for (const auto& member : object) members.insert(member.key());
    EXPECT_EQ(members, properties(document, schema)) << schema;
    EXPECT_EQ(members, required(document, schema)) << schema;
  };
  const auto backfill = ask_object(201, "POST", path + "/backfills", R"({"start":0,"end":60000})");
  expect_described(backfill, "Backfill");
  expect_described(ask_object(200, "GET", path + "/gaps").at("gaps").as_array().at(0).as_object(), "Gap");
  const auto report = ask_object(200, "POST", path + "/verify", R"({"from":0,"to":60000})");
  expect_described(report, "VerifyReport");
  expect_described(report.at("mismatches").as_array().at(0).as_object(), "Mismatch");
}

TEST_F(OpenApi, DescribesEveryMemberOfWhatIsWaitingRefusedAndEmitted) {
  const YAML::Node document = YAML::LoadFile(SETTLE_OPENAPI);
  service.pumps = {runner::PumpStatus{}};
  service.letters = {runner::DeadLetter{}};
  service.letters[0].number = 1;
  service.ledger = {runner::Revision{}};
  service.ledger[0].job_id = "j";
  const auto expect_described = [&](const std::string& path, const char* list, const std::string& schema) {
    const auto answer = ask_object(200, "GET", path);
    const auto& found = answer.at(list).as_array();
    ASSERT_EQ(found.size(), 1U) << path;
    const std::set<std::string> known = properties(document, schema);
    for (const auto& member : found[0].as_object()) {
      EXPECT_TRUE(known.count(std::string(member.key())) > 0) << schema << " " << member.key();
    }
  };
  expect_described("/api/v1/outbox", "sinks", "Outbox");
  expect_described("/api/v1/dead-letters", "dead_letters", "DeadLetter");
  expect_described("/api/v1/revisions?job=j", "revisions", "Revision");
}

TEST_F(OpenApi, NamesOnlyFieldsThatABackfillAndAComparisonMayHave) {
  const YAML::Node document = YAML::LoadFile(SETTLE_OPENAPI);
  const std::string path = std::string(kJobs) + "/" + add("p");
  for (const auto& [schema, endpoint] :
       {std::pair{"BackfillRequest", "/backfills"}, std::pair{"VerifyRequest", "/verify"}}) {
    for (const std::string& field : properties(document, schema)) {
      const auto problem = ask_object(422, "POST", path + endpoint, "{\"" + field + "\":null}");
      EXPECT_EQ(std::string(problem.at("detail").as_string()).find("not a field"), std::string::npos)
          << field;
    }
    const auto problem = ask_object(422, "POST", path + endpoint, R"({"colour":1})");
    EXPECT_EQ(problem.at("field"), "colour");
  }
}

TEST_F(OpenApi, NamesTheParametersThatAreRead) {
  const YAML::Node document = YAML::LoadFile(SETTLE_OPENAPI);
  for (const auto& path : document["paths"]) {
    for (const auto& operation : path.second) {
      std::set<std::string> described;
      for (YAML::Node one : operation.second["parameters"]) {
        if (one["$ref"]) {
          const std::string ref = one["$ref"].as<std::string>();
          one.reset(document["components"]["parameters"][ref.substr(ref.rfind('/') + 1)]);
        }
        if (one["in"].as<std::string>() == "query") described.insert(one["name"].as<std::string>());
      }
      std::string method = operation.first.as<std::string>();
      for (char& c : method) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      const Route route = find_route(method, path.first.as<std::string>());
      const auto known = parameters_of(route.endpoint).value_or(std::span<const std::string_view>{});
      EXPECT_EQ(described, std::set<std::string>(known.begin(), known.end()))
          << method << " " << path.first.as<std::string>();
    }
  }
}

TEST_F(OpenApi, PointsOnlyAtWhatIsThere) {
  const YAML::Node document = YAML::LoadFile(SETTLE_OPENAPI);
  std::vector<YAML::Node> rest{document};
  std::size_t references = 0;
  while (!rest.empty()) {
    const YAML::Node node = rest.back();
    rest.pop_back();
    if (!node.IsMap() && !node.IsSequence()) continue;
    for (const auto& part : node) rest.push_back(node.IsMap() ? part.second : part);
    if (!node.IsMap() || !node["$ref"]) continue;
    const std::string target = node["$ref"].as<std::string>();
    std::istringstream names(target.substr(target.find('/') + 1));
    YAML::Node at = YAML::Clone(document);
    for (std::string name; std::getline(names, name, '/');) at.reset(at[name]);
    EXPECT_TRUE(at.IsDefined() && at.IsMap()) << target;
    ++references;
  }
  EXPECT_GT(references, 50U);
}

}  // namespace
}  // namespace settle::api
