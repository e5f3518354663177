#include "lockstep/data/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "lockstep/base/error.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/views.h"
#include "tests/support/environment.h"
#include "tests/support/failure.h"
#include "tests/support/other_device.h"
#include "tests/support/scratch.h"

namespace lockstep::data {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using tests::failure_of;
using tests::Scratch;

const fs::path packaged = "/usr/share/datasets/fashion-mnist";

// The packaged files in a folder of the test's own.
void copy_set(const Scratch& scratch) {
  for (const auto& entry : fs::directory_iterator(packaged)) {
    fs::copy(entry.path(), scratch / entry.path().filename().string());
  }
}

TEST(InMemory, ReadsTheRowsOfBothTensors) {
  const Tensor x = tensor({1, 2, 3, 4, 5, 6}, {3, 2});
  const Tensor y = tensor({7, 8, 9}, {.dtype = DType::i64});
  const auto set = in_memory(x, y);
  ASSERT_EQ(set->count(), 3);
  EXPECT_EQ(set->x().shape, Shape{2});
  EXPECT_EQ(set->y().shape, Shape{});
  float row[2];
  std::int64_t label = 0;
  set->read(2, reinterpret_cast<std::byte*>(row), reinterpret_cast<std::byte*>(&label));
  EXPECT_EQ(row[0], 5);
  EXPECT_EQ(row[1], 6);
  EXPECT_EQ(label, 9);
}

TEST(InMemory, ReadsTensorsThatAreNotContiguous) {
  const Tensor x = permuted_view(tensor({1, 2, 3, 4, 5, 6}, {3, 2}), {1, 0});
  const auto set = in_memory(x, tensor({0, 1}));
  float row[3];
  float label = 0;
  set->read(1, reinterpret_cast<std::byte*>(row), reinterpret_cast<std::byte*>(&label));
  EXPECT_EQ(row[0], 2);
  EXPECT_EQ(row[2], 6);
}

TEST(InMemory, RefusesDifferentNumbersOfRows) {
  const auto error = failure_of<ShapeError>([] { in_memory(zeros({3, 2}), zeros({4})); });
  EXPECT_THAT(error.problem(), HasSubstr("x [3, 2] and y [4]"));
  EXPECT_THAT(failure_of<ShapeError>([] { in_memory(scalar(1), scalar(1)); }).problem(),
              HasSubstr("x [] and y [] do not have the same number of rows"));
}

TEST(InMemory, RefusesTensorsOnAnotherDevice) {
  const Tensor x = zeros({3, 2}), y = tests::on_other_device(zeros({3}));
  const auto error = failure_of<DeviceError>([&] { in_memory(x, y); });
  EXPECT_EQ(error.problem(), "in_memory: x is on cpu and y on cuda:1");
  EXPECT_THAT(error.fix(), HasSubstr("copy both to the cpu"));
}

TEST(FashionMnist, HasItsImagesAndLabels) {
  const auto train = fashion_mnist();
  const auto test = fashion_mnist(Split::test);
  EXPECT_EQ(train->count(), 60'000);
  EXPECT_EQ(test->count(), 10'000);
  EXPECT_EQ(train->x().shape, (Shape{28, 28, 1}));
  EXPECT_EQ(train->x().dtype, DType::u8);
  EXPECT_EQ(train->y().dtype, DType::i64);
  std::vector<std::uint8_t> image(784);
  std::vector<int> of_class(10);
  double sum = 0;
  for (std::int64_t i = 0; i < train->count(); ++i) {
    std::int64_t label = -1;
    train->read(i, reinterpret_cast<std::byte*>(image.data()),
                reinterpret_cast<std::byte*>(&label));
    ++of_class.at(static_cast<std::size_t>(label));
    for (const std::uint8_t pixel : image) sum += pixel;
  }
  EXPECT_EQ(of_class, std::vector<int>(10, 6000));
  EXPECT_NEAR(sum / (60'000.0 * 784 * 255), fashion_mnist_mean, 1e-4);
}

TEST(FashionMnist, TellsHowToGetMissingFiles) {
  const Scratch scratch;
  const auto error = failure_of<IoError>([&] { fashion_mnist(Split::test, scratch.folder()); });
  EXPECT_THAT(error.problem(), HasSubstr((scratch / "t10k-images-idx3-ubyte.gz").string()));
  EXPECT_THAT(error.problem(), HasSubstr("No such file"));
  EXPECT_THAT(error.fix(), HasSubstr("name the folder"));
  EXPECT_THAT(error.fix(), HasSubstr("apt-get install dataset-fashion-mnist"));
  EXPECT_THAT(error.fix(), Not(HasSubstr("LOCKSTEP_DATA")));
}

TEST(FashionMnist, NamesATruncatedFile) {
  const Scratch scratch;
  copy_set(scratch);
  fs::resize_file(scratch / "t10k-labels-idx1-ubyte.gz", 2000);
  const auto error = failure_of<IoError>([&] { fashion_mnist(Split::test, scratch.folder()); });
  EXPECT_THAT(error.problem(), HasSubstr("t10k-labels-idx1-ubyte.gz"));
  EXPECT_THAT(error.problem(), HasSubstr("truncated"));
  EXPECT_THAT(error.fix(), HasSubstr("dataset-fashion-mnist"));
}

TEST(FashionMnist, RefusesLabelsOfAnotherSplit) {
  const Scratch scratch;
  copy_set(scratch);
  fs::rename(scratch / "train-labels-idx1-ubyte.gz", scratch / "t10k-labels-idx1-ubyte.gz");
  const auto error = failure_of<IoError>([&] { fashion_mnist(Split::test, scratch.folder()); });
  EXPECT_THAT(error.problem(), HasSubstr("10000 images and 60000 labels"));
}

TEST(FashionMnist, RefusesImagesInThePlaceOfLabels) {
  const Scratch scratch;
  copy_set(scratch);
  fs::rename(scratch / "t10k-images-idx3-ubyte.gz", scratch / "t10k-labels-idx1-ubyte.gz");
  fs::rename(scratch / "train-images-idx3-ubyte.gz", scratch / "t10k-images-idx3-ubyte.gz");
  const auto error = failure_of<IoError>([&] { fashion_mnist(Split::test, scratch.folder()); });
  EXPECT_THAT(error.problem(), HasSubstr("the labels are u8 [10000, 28, 28], not u8 [n]"));
}

// One image and its label, as IDX files.
void write_pair(const Scratch& scratch, int size, char label) {
  std::string image = {0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, char(size), 0, 0, 0, char(size)};
  image.append(static_cast<std::size_t>(size * size), 'x');
  std::ofstream(scratch / "t10k-images-idx3-ubyte", std::ios::binary) << image;
  std::ofstream(scratch / "t10k-labels-idx1-ubyte", std::ios::binary)
      << std::string{0, 0, 8, 1, 0, 0, 0, 1, label};
}

TEST(FashionMnist, RefusesOtherSizesAndLabels) {
  const Scratch scratch;
  const auto problem = [&] {
    return failure_of<IoError>([&] { fashion_mnist(Split::test, scratch.folder()); }).problem();
  };
  write_pair(scratch, 32, 9);
  EXPECT_THAT(problem(), HasSubstr("does not hold Fashion-MNIST: the images are u8 [1, 32, 32], "
                                   "not u8 [n, 28, 28]"));
  write_pair(scratch, 28, 10);
  EXPECT_THAT(problem(), HasSubstr("does not hold Fashion-MNIST: a label is above 9"));
  write_pair(scratch, 28, 9);
  EXPECT_EQ(fashion_mnist(Split::test, scratch.folder())->count(), 1);
}

TEST(FashionMnist, LooksInTheFolderOfTheEnvironment) {
  const Scratch scratch;
  const tests::Environment data("LOCKSTEP_DATA", scratch.folder().string());
  const auto error = failure_of<IoError>([] { fashion_mnist(); });
  EXPECT_THAT(error.problem(), HasSubstr(scratch.folder().string()));
  EXPECT_THAT(error.fix(), HasSubstr("LOCKSTEP_DATA"));
  fs::create_directory(scratch / "fashion-mnist");
  for (const auto& entry : fs::directory_iterator(packaged)) {
    fs::copy(entry.path(), (scratch / "fashion-mnist") / entry.path().filename());
  }
  EXPECT_EQ(fashion_mnist(Split::test)->count(), 10'000);
}

}  // namespace
}  // namespace lockstep::data
