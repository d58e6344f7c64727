# Debian 12's default Boost is 1.74, which lacks cancellation slots and system::result.
find_package(Boost 1.81 REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(simdjson 3.0 REQUIRED)
find_package(SQLite3 3.40 REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(CURL 7.88 REQUIRED)
find_package(CLI11 2.1 REQUIRED)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(libgit2 REQUIRED IMPORTED_TARGET libgit2>=1.5)
pkg_check_modules(libsystemd REQUIRED IMPORTED_TARGET libsystemd>=252)
# The shared library, as header-only toml++ 3.3 aborts on some input when built without NDEBUG.
pkg_check_modules(tomlplusplus REQUIRED IMPORTED_TARGET tomlplusplus>=3.3)
# Its core alone: the text format. The rest is a server of its own and a pusher.
pkg_check_modules(prometheus REQUIRED IMPORTED_TARGET prometheus-cpp-core>=1.0)

# One translation unit holds Asio's and Beast's non-template code: the others compile much faster.
add_library(belay_asio STATIC ${CMAKE_CURRENT_LIST_DIR}/asio.cpp)
add_library(belay::asio ALIAS belay_asio)
target_compile_definitions(belay_asio PUBLIC
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_VISIBILITY)
target_include_directories(belay_asio SYSTEM PUBLIC ${Boost_INCLUDE_DIRS})
target_link_libraries(belay_asio PUBLIC Threads::Threads PRIVATE belay::options)

add_library(belay_beast STATIC ${CMAKE_CURRENT_LIST_DIR}/beast.cpp)
add_library(belay::beast ALIAS belay_beast)
target_compile_definitions(belay_beast PUBLIC BOOST_BEAST_SEPARATE_COMPILATION)
target_link_libraries(belay_beast PUBLIC belay::asio PRIVATE belay::options)
