# belay_module(NAME SOURCES a.cpp ... LINK belay::base ... [PRIVATE lib ...])
# One module, one static library `belay_NAME`, also `belay::NAME`. LINK is the module's column of the layer table.
function(belay_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK;PRIVATE" ${ARGN})
  if(arg_SOURCES)
    add_library(belay_${name} STATIC ${arg_SOURCES})
    target_link_libraries(belay_${name} PUBLIC belay::options ${arg_LINK} PRIVATE ${arg_PRIVATE})
  else()
    add_library(belay_${name} INTERFACE)
    target_link_libraries(belay_${name} INTERFACE belay::options ${arg_LINK})
  endif()
  add_library(belay::${name} ALIAS belay_${name})
endfunction()

# belay_test(NAME LABEL unit|integration|e2e|crash SOURCES a_test.cpp ... LINK belay::x ... [TIMEOUT seconds])
# One GoogleTest program, known to ctest case by case under its label.
function(belay_test name)
  cmake_parse_arguments(arg "" "LABEL;TIMEOUT" "SOURCES;LINK;ENVIRONMENT" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(${name} PRIVATE ${arg_LINK} belay::options GTest::gtest GTest::gmock belay_test_main)
  target_compile_definitions(${name} PRIVATE
    BELAY_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    BELAY_BINARY_DIR="${PROJECT_BINARY_DIR}"
    BELAY_SHIM_PATH="$<TARGET_FILE:belay-shim>")
  add_dependencies(${name} belay-shim)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 30
    PROPERTIES LABELS ${arg_LABEL} TIMEOUT ${arg_TIMEOUT} ENVIRONMENT "${arg_ENVIRONMENT}")
endfunction()
