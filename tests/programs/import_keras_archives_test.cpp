// Which .keras archives are refused: those that lack a part, are damaged, or unpack to too much.
#include <gmock/gmock.h>

#include <regex>
#include <string>

#include "tests/programs/keras_files.h"

namespace lockstep::tests {
namespace {

using ::testing::HasSubstr;

void remove(zip_t* archive, const char* entry) {
  zip_delete(archive, static_cast<zip_uint64_t>(zip_name_locate(archive, entry, 0)));
}

// `text` must live until the archive is closed.
void replace(zip_t* archive, const char* entry, const std::string& text) {
  zip_source_t* source = zip_source_buffer(archive, text.data(), text.size(), 0);
  const zip_int64_t place = zip_file_add(archive, entry, source, ZIP_FL_OVERWRITE);
  EXPECT_GE(place, 0);
  zip_set_file_compression(archive, static_cast<zip_uint64_t>(place), ZIP_CM_DEFLATE, 1);
}

std::string refusal_of_entry(const char* entry, const std::string& text) {
  return refusal_of_changed_archive([&](zip_t* archive) { replace(archive, entry, text); });
}

TEST(ImportKerasRefuses, AnArchiveThatLacksAPart) {
  for (const char* entry : {"metadata.json", "config.json", "model.weights.h5"}) {
    EXPECT_THAT(refusal_of_changed_archive([&](zip_t* archive) { remove(archive, entry); }),
                HasSubstr(std::string("the archive lacks a readable ") + entry));
  }
}

TEST(ImportKerasRefuses, AnArchiveOfAnotherVersion) {
  EXPECT_THAT(refusal_of_entry("metadata.json", R"({"keras_version": "4.0.0"})"),
              HasSubstr("written by Keras 4.0.0, known are 2 and 3"));
  EXPECT_THAT(refusal_of_entry("metadata.json", "{}"), HasSubstr("Keras of no version"));
  EXPECT_THAT(refusal_of_entry("config.json", "[1]"), HasSubstr("lacks the text \"class_name\""));
}

TEST(ImportKerasRefuses, AnArchiveWithDamagedElements) {
  std::string bytes = text_of(golden_keras / "keras3_keras_cnn.keras");
  const std::size_t begin = bytes.find("\x89HDF");
  ASSERT_NE(begin, std::string::npos);
  bytes[begin + 20000] = static_cast<char>(bytes[begin + 20000] ^ 1);
  EXPECT_THAT(refusal_of_bytes(bytes), HasSubstr("model.weights.h5 within the archive is damaged"));
  EXPECT_THAT(refusal_of_bytes(bytes.substr(0, bytes.size() / 2)),
              HasSubstr("is not a readable zip archive"));
  EXPECT_THAT(refusal_of_entry("model.weights.h5", "text"),
              HasSubstr("is not a readable HDF5 file"));
}

TEST(ImportKerasRefuses, AnArchiveThatUnpacksToTooMuch) {
  EXPECT_THAT(refusal_of_entry("model.weights.h5", std::string(8U << 20U, '\0')),
              HasSubstr("model.weights.h5 within the archive unpacks to more than"));
  EXPECT_THAT(refusal_of_entry("config.json", std::string(65U << 20U, ' ')),
              HasSubstr("config.json within the archive unpacks to more than 67108864 bytes"));
}

std::string entry_of_the_model(const char* entry) {
  zip_t* archive = zip_open((golden_keras / "keras3_keras_cnn.keras").c_str(), ZIP_RDONLY, nullptr);
  zip_file_t* file = zip_fopen(archive, entry, 0);
  std::string text(1U << 16U, '\0');
  text.resize(static_cast<std::size_t>(zip_fread(file, text.data(), text.size())));
  zip_fclose(file);
  zip_discard(archive);
  return text;
}

TEST(ImportKerasRefuses, AnArchiveWithWeightsOfNoLayer) {
  const std::string config = std::regex_replace(entry_of_the_model("config.json"),
                                                std::regex("BatchNormalization"), "ReLU");
  EXPECT_THAT(refusal_of_entry("config.json", config),
              HasSubstr("layer \"layers/batch_normalization\" has 1 weights in the file"));
}

}  // namespace
}  // namespace lockstep::tests
