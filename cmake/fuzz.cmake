# belay_fuzz(NAME SOURCES a.cpp ... LINK belay::x ... [DEFINE X=1 ...])
# One fuzz target, defined by LLVMFuzzerTestOneInput in its sources. In the preset `fuzz` it is a libFuzzer
# program, built by the target `fuzzers` and run by scripts/test fuzz. In all others it is a unit test that
# gives it the inputs kept in tests/fuzz/regressions/NAME.
option(BELAY_FUZZ "Build the fuzz targets with libFuzzer (needs clang)" OFF)

function(belay_fuzz name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK;DEFINE" ${ARGN})
  add_executable(fuzz_${name} ${arg_SOURCES})
  target_include_directories(fuzz_${name} PRIVATE
    ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/tests/fuzz ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(fuzz_${name} PRIVATE ${arg_LINK} belay::options)
  target_compile_definitions(fuzz_${name} PRIVATE ${arg_DEFINE})
  if(BELAY_FUZZ)
    set_target_properties(fuzz_${name} PROPERTIES EXCLUDE_FROM_ALL ON)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    if(NOT TARGET fuzzers)
      add_custom_target(fuzzers)
    endif()
    add_dependencies(fuzzers fuzz_${name})
  else()
    target_sources(fuzz_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/fuzz/replay.cpp)
    add_test(NAME fuzz.${name} COMMAND fuzz_${name} ${PROJECT_SOURCE_DIR}/tests/fuzz/regressions/${name})
    set_tests_properties(fuzz.${name} PROPERTIES LABELS unit TIMEOUT 60)
  endif()
endfunction()
