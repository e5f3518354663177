#include "lockstep/io/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "lockstep/base/error.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/views.h"
#include "tests/support/failure.h"
#include "tests/support/scratch.h"
#include "tests/support/small_disk.h"

namespace lockstep::io {
namespace {

using testing::HasSubstr;
using tests::failure_of;
using tests::Scratch;

std::string bytes_of(const Tensor& x) {
  const Tensor whole = x.is_contiguous() ? x : copied(x);
  return {static_cast<const char*>(whole.view().data),
          static_cast<std::size_t>(x.elements()) * size_of(x.dtype())};
}

Tensor random_tensor(std::mt19937& random) {
  Shape shape;
  for (auto axes = random() % 5; axes > 0; --axes) shape.append(random() % 5);
  Tensor x = empty(shape, {.dtype = all_dtypes[random() % std::size(all_dtypes)]});
  auto* bytes = static_cast<unsigned char*>(x.view().data);
  for (std::size_t i = 0; i < bytes_of(x).size(); ++i) {
    bytes[i] = static_cast<unsigned char>(x.dtype() == DType::boolean ? random() % 2 : random());
  }
  return x;
}

// A file with this header, padded as asked, and `payload` bytes of zeros.
std::filesystem::path crafted(const Scratch& scratch, const std::string& header,
                              std::size_t payload) {
  auto path = scratch / "crafted";
  std::ofstream out(path, std::ios::binary);
  const std::uint64_t length = header.size();
  out.write(reinterpret_cast<const char*>(&length), 8);
  out << header << std::string(payload, '\0');
  return path;
}

std::string problem_of(const std::filesystem::path& path) {
  const auto error = failure_of<IoError>([&] { SafetensorsFile file(path); });
  EXPECT_THAT(error.problem(), HasSubstr(path.string()));
  EXPECT_FALSE(error.fix().empty());
  return error.problem();
}

TEST(Safetensors, GivesBackTheExactBytesOfEveryTensor) {
  const Scratch scratch;
  std::mt19937 random(1);
  for (int round = 0; round < 30; ++round) {
    State saved;
    for (auto i = random() % 12; i > 0; --i) {
      saved.emplace_back("t" + std::to_string(i), random_tensor(random));
    }
    save_safetensors(scratch / "x", saved, {{"round", std::to_string(round)}});
    const SafetensorsFile file(scratch / "x");
    EXPECT_EQ(file.metadata().at("round"), std::to_string(round));
    ASSERT_EQ(file.entries().size(), saved.size());
    for (const auto& [name, x] : saved) {
      const Tensor y = file.read(name);
      EXPECT_EQ(y.shape(), x.shape());
      EXPECT_EQ(y.dtype(), x.dtype());
      EXPECT_EQ(bytes_of(y), bytes_of(x)) << name;
    }
  }
}

TEST(Safetensors, WritesTensorsThatAreNotContiguous) {
  const Scratch scratch;
  const Tensor x = permuted_view(reshaped_view(arange(0, 6), {2, 3}), {1, 0});
  save_safetensors(scratch / "x", {{"a", x}});
  EXPECT_EQ(load_safetensors(scratch / "x").at(0).second.to_vector(), x.to_vector());
}

TEST(Safetensors, AlignsEveryTensorToItsElements) {
  const Scratch scratch;
  save_safetensors(scratch / "x", {{"a", zeros({3}, {.dtype = DType::u8})},
                                   {"b", zeros({3}, {.dtype = DType::f64})},
                                   {"c", zeros({3}, {.dtype = DType::f16})}});
  const SafetensorsFile file(scratch / "x");
  for (const auto& entry : file.entries()) {
    EXPECT_EQ(entry.begin % size_of(entry.dtype), 0U) << entry.name;
  }
}

TEST(Safetensors, LoadsStraightIntoTheTensorsOfAModel) {
  const Scratch scratch;
  save_safetensors(scratch / "x", {{"a", arange(0, 4)}, {"b", arange(4, 8)}});
  const Tensor a = zeros({4});
  const Tensor wide = zeros({4, 2});
  const Tensor column = Tensor(wide.storage(), 1, {4}, {2}, DType::f32);
  const void* place = a.view().data;
  SafetensorsFile(scratch / "x").load({{"b", column}, {"a", a}});
  EXPECT_EQ(a.view().data, place);
  EXPECT_EQ(a.to_vector(), arange(0, 4).to_vector());
  EXPECT_EQ(wide.to_vector(), (std::vector<float>{0, 4, 0, 5, 0, 6, 0, 7}));
}

TEST(Safetensors, TellsTapesThatItChangedATensor) {
  const Scratch scratch;
  save_safetensors(scratch / "x", {{"a", ones({4})}});
  const Tensor a = zeros({4});
  const auto version = a.storage()->version();
  SafetensorsFile(scratch / "x").load({{"a", a}});
  EXPECT_GT(a.storage()->version(), version);
}

TEST(Safetensors, RefusesAnotherModelAndLoadsNothing) {
  const Scratch scratch;
  save_safetensors(scratch / "x", {{"a", ones({4})}, {"b", ones({2, 2})}});
  const SafetensorsFile file(scratch / "x");
  const Tensor a = zeros({4});
  const auto problem = [&](const State& into) {
    const auto error = failure_of<UsageError>([&] { file.load(into); });
    EXPECT_THAT(error.fix(), HasSubstr("the same model"));
    EXPECT_EQ(a.to_vector(), std::vector<float>(4, 0));
    return error.problem();
  };
  EXPECT_THAT(problem({{"a", a}, {"b", zeros({4})}}),
              HasSubstr("\"b\" is f32 [2, 2], but f32 [4] here"));
  EXPECT_THAT(problem({{"a", a}, {"c", zeros({2, 2})}}), HasSubstr("it lacks \"c\""));
  EXPECT_THAT(problem({{"a", a}}), HasSubstr("\"b\" has no place here"));
  EXPECT_THAT(failure_of<UsageError>([&] { file.read("c"); }).problem(), HasSubstr("\"c\""));
}

TEST(Safetensors, RefusesANameGivenTwice) {
  const Scratch scratch;
  const State twice{{"a", zeros({1})}, {"a", zeros({1})}};
  const auto error = failure_of<UsageError>([&] { save_safetensors(scratch / "x", twice); });
  EXPECT_THAT(error.problem(), HasSubstr("the name \"a\" is taken"));
  EXPECT_EQ(error.fix(), "give every tensor a name of its own, other than __metadata__");
  const auto reserved = failure_of<UsageError>([&] {
    save_safetensors(scratch / "x", {{"__metadata__", zeros({1})}});
  });
  EXPECT_THAT(reserved.problem(), HasSubstr("the name \"__metadata__\" is taken"));
  EXPECT_FALSE(std::filesystem::exists(scratch / "x"));
}

TEST(Safetensors, RefusesANameThatIsNotUtf8) {
  const Scratch scratch;
  const auto error = failure_of<UsageError>([&] {
    save_safetensors(scratch / "x", {{"\xff", zeros({1})}});
  });
  EXPECT_THAT(error.problem(), HasSubstr("save_safetensors: a name is not UTF-8"));
  EXPECT_EQ(error.fix(), "use names and metadata in UTF-8");
  EXPECT_FALSE(std::filesystem::exists(scratch / "x"));
}

TEST(Safetensors, NamesAMissingFile) {
  const Scratch scratch;
  EXPECT_THAT(problem_of(scratch / "absent"), HasSubstr("No such file"));
}

TEST(Safetensors, RefusesEveryTruncation) {
  const Scratch scratch;
  save_safetensors(scratch / "x", {{"a", arange(0, 5)}, {"b", zeros({3}, {.dtype = DType::u8})}});
  const std::string whole = tests::text_of(scratch / "x");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    std::ofstream(scratch / "cut", std::ios::binary) << whole.substr(0, length);
    problem_of(scratch / "cut");
  }
}

TEST(Safetensors, RefusesALyingLength) {
  const Scratch scratch;
  std::ofstream(scratch / "lie", std::ios::binary) << std::string("\x40\0\0\0\0\0\0\0{}", 10);
  EXPECT_THAT(problem_of(scratch / "lie"), HasSubstr("its header claims 64 bytes, it holds 2"));
  std::ofstream(scratch / "huge", std::ios::binary) << std::string(8, '\xff') + "{}";
  EXPECT_THAT(problem_of(scratch / "huge"), HasSubstr("more than the format's limit"));
}

TEST(Safetensors, RefusesAHeaderOfMoreThan100Megabytes) {
  const Scratch scratch;
  const auto path = crafted(scratch, "{}", 0);
  const std::uint64_t length = 100'000'001;
  std::fstream(path, std::ios::binary | std::ios::in | std::ios::out)
      .write(reinterpret_cast<const char*>(&length), 8);
  std::filesystem::resize_file(path, 200'000'000);
  EXPECT_THAT(problem_of(path), HasSubstr("claims 100000001 bytes, more than the format's limit"));
}

struct Lie {
  const char* header;
  std::size_t payload;
  const char* complaint;
};

TEST(Safetensors, APipeIsRefusedAtOnce) {
  const Scratch scratch;
  ASSERT_EQ(::mkfifo((scratch / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(problem_of(scratch / "pipe"), HasSubstr("it is not a file"));
}

class LyingHeader : public testing::TestWithParam<Lie> {};

TEST_P(LyingHeader, IsRefused) {
  const Scratch scratch;
  const auto [header, payload, complaint] = GetParam();
  const auto path = crafted(scratch, header, payload);
  EXPECT_THAT(problem_of(path), HasSubstr(complaint));
  EXPECT_EQ(failure_of<IoError>([&] { SafetensorsFile file(path); }).fix(),
            "write or copy the file again; it is not what its header says");
}

#define ENTRY(dtype, shape, offsets) \
  "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

INSTANTIATE_TEST_SUITE_P(
    Safetensors, LyingHeader,
    testing::Values(
        Lie{"{\"a\":" ENTRY("F32", "[2]", "[0,8]") ",\"b\":" ENTRY("F32", "[2]", "[4,12]") "}", 12,
            "\"b\" begins at byte 4, within the tensor before it"},
        Lie{"{\"a\":" ENTRY("F32", "[1]", "[0,4]") ",\"b\":" ENTRY("F32", "[1]", "[8,12]") "}", 12,
            "\"b\" begins at byte 8, after a gap from 4"},
        Lie{"{\"a\":" ENTRY("F32", "[2]", "[0,8]") "}", 4, "truncated"},
        Lie{"{\"a\":" ENTRY("F32", "[1]", "[0,4]") "}", 8, "4 bytes follow its last tensor"},
        Lie{"{}", 3, "3 bytes follow"},
        Lie{"{\"a\":" ENTRY("F32", "[3]", "[0,8]") "}", 8,
            "needs 12 bytes, but its offsets hold 8"},
        Lie{"{\"a\":" ENTRY("F32", "[2]", "[8,0]") "}", 8, "[8,0] are no offsets"},
        Lie{"{\"a\":" ENTRY("F32", "[2]", "[0,-8]") "}", 8, "are no offsets"},
        Lie{"{\"a\":" ENTRY("F32", "[2]", "[0.0,8]") "}", 8, "are no offsets"},
        Lie{"{\"a\":" ENTRY("F32", "[-2]", "[0,8]") "}", 8, "-2 is not a size"},
        Lie{"{\"a\":" ENTRY("F32", "[2.0]", "[0,8]") "}", 8, "2.0 is not a size"},
        Lie{"{\"a\":" ENTRY("F32", "[99999999999999999999]", "[0,8]") "}", 8, "is not a size"},
        Lie{"{\"a\":" ENTRY("F32", "[4294967296,4294967296]", "[0,0]") "}", 0,
            "larger than any memory"},
        Lie{"{\"a\":" ENTRY("U8", "[4611686018427387903,4,0]", "[0,0]") "}", 0,
            "larger than any memory"},
        Lie{"{\"a\":" ENTRY("F32", "[1,1,1,1,1,1,1]", "[0,4]") "}", 4, "7 axes, more than 6"},
        Lie{"{\"a\":" ENTRY("F8_E4M3", "[2]", "[0,2]") "}", 2, "dtype \"F8_E4M3\""},
        Lie{"{\"a\":{\"dtype\":3,\"shape\":[],\"data_offsets\":[0,4]}}", 4, "dtype 3"},
        Lie{"{\"a\":{\"dtype\":\"U8\",\"shape\":[]}}", 0, "needs dtype, shape and data_offsets"},
        Lie{"{\"a\":" ENTRY("U8", "[1]", "[0,1]") ",\"a\":" ENTRY("U8", "[1]", "[1,2]") "}", 2,
            "names \"a\" twice"},
        Lie{"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}", 1,
            "names \"dtype\" twice"},
        Lie{"{\"a\":{\"dtype\":\"U8\",\"shape\":[[[1]]],\"data_offsets\":[0,1]}}", 1,
            "nested too deeply"},
        Lie{"{\"__metadata__\":{\"a\":1}}", 0, "metadata \"a\" is not a text"},
        Lie{"{\"__metadata__\":[]}", 0, "__metadata__ is not an object"},
        Lie{"{\"a\":3}", 0, "\"a\" needs dtype"}, Lie{"{\"a\":", 0, "not valid JSON"},
        Lie{"{\"\xff\":1}", 0, "not valid JSON"}, Lie{" {}", 0, "does not begin with {"},
        Lie{"[1,2]", 0, "does not begin with {"}, Lie{"", 0, "does not begin with {"}));

TEST(Safetensors, RefusesEndlessArraysBeforeTheyFillTheMemory) {
  const Scratch scratch;
  std::string numbers = "1";
  for (int i = 0; i < 100'000; ++i) numbers += ",1";
  const auto path =
      crafted(scratch, R"({"a":{"dtype":"U8","data_offsets":[0,1],"shape":[)" + numbers + "]}}", 1);
  EXPECT_THAT(problem_of(path), HasSubstr("more than 64 numbers"));
}

TEST(Safetensors, RefusesMoreNamesThanAnyModelHasBeforeTheyFillTheMemory) {
  const Scratch scratch;
  std::string header = R"({"__metadata__":{)";
  for (int i = 0; i < 2'100'000; ++i) header += "\"" + std::to_string(i) + R"(":"",)";
  const auto path = crafted(scratch, header + R"("last":""}})", 0);
  EXPECT_THAT(problem_of(path), HasSubstr("more than 4000000 names and values"));
}

TEST(Safetensors, CutsLongNamesAndEscapesUnprintableOnesInMessages) {
  const Scratch scratch;
  const auto problem =
      problem_of(crafted(scratch, R"({"\u001b[2J)" + std::string(10'000, 'x') + R"(":3})", 0));
  EXPECT_THAT(problem, HasSubstr(R"(tensor "\u001b[2Jxxx)"));
  EXPECT_THAT(problem, HasSubstr("xxx... needs dtype"));
  EXPECT_LT(problem.size(), 500);
}

TEST(Safetensors, RefusesABoolThatIsNeitherTrueNorFalse) {
  const Scratch scratch;
  save_safetensors(scratch / "x", {{"a", zeros({5}, {.dtype = DType::boolean})}});
  std::fstream file(scratch / "x", std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(-2, std::ios::end);
  file.put(7);
  file.close();
  const auto error = failure_of<IoError>([&] { load_safetensors(scratch / "x"); });
  EXPECT_THAT(error.problem(), HasSubstr("element 3 of the bool tensor \"a\" is 7"));
}

// No damage to a header may lead to anything but an IoError or a consistent file.
TEST(Safetensors, SurvivesRandomDamage) {
  const Scratch scratch;
  save_safetensors(scratch / "x", {{"a", arange(0, 5)}, {"b", zeros({3}, {.dtype = DType::u8})}},
                   {{"key", "value"}});
  const std::string whole = tests::text_of(scratch / "x");
  std::mt19937 random(2);
  for (int round = 0; round < 500; ++round) {
    std::string damaged = whole;
    for (auto n = 1 + random() % 3; n > 0; --n) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    std::ofstream(scratch / "damaged", std::ios::binary) << damaged;
    try {
      load_safetensors(scratch / "damaged");
    } catch (const IoError&) {
      continue;
    }
  }
}

TEST(Safetensors, KeepsTheOldFileWhenTheDiskIsFull) {
  const tests::SmallDisk disk;
  if (!disk.is_there()) GTEST_SKIP() << "mounting a small disk needs root";
  const auto path = disk.folder() / "model.safetensors";
  save_safetensors(path, {{"a", ones({1000})}});
  const auto error = failure_of<IoError>([&] {
    save_safetensors(path, {{"a", ones({1'000'000})}});
  });
  EXPECT_THAT(error.problem(), HasSubstr("No space left on device"));
  EXPECT_EQ(load_safetensors(path).at(0).second.elements(), 1000);
}

}  // namespace
}  // namespace lockstep::io
