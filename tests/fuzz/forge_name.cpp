extern const char* const kFuzzedForge;
const char* const kFuzzedForge = BELAY_FUZZ_FORGE;
