// The functions behind the commands; the table in commands.cpp names each once.
#pragma once

namespace belay::cli {

class Context;

// local.cpp: what the caller gave
int serve(Context&);
int check(Context&);
int init(Context&);
int doctor(Context&);
int unit_allow(Context&);
int unit_deny(Context&);
int proxy(Context&);
int stage(Context&);
int version(Context&);
int help(Context&);
int completion(Context&);

// reading.cpp
int status(Context&);
int history(Context&);
int show(Context&);
int releases(Context&);
int deliveries(Context&);
int why(Context&);
int audit(Context&);

// acting.cpp
int deploy(Context&);
int rollback(Context&);
int cancel(Context&);
int approve(Context&);
int reject(Context&);
int hold(Context&);
int resume(Context&);
int redeliver(Context&);
int restart(Context&);
int stop(Context&);
int start(Context&);
int remove_app(Context&);
int reload(Context&);
int notify_test(Context&);
int backup(Context&);
int restore(Context&);
int gc(Context&);
int shutdown(Context&);

// token.cpp
int token_create(Context&);
int token_list(Context&);
int token_revoke(Context&);

// streaming.cpp
int logs(Context&);
int run_command(Context&);

// secret.cpp
int secret_set(Context&);
int secret_list(Context&);
int secret_rm(Context&);

// hook_install.cpp, hook_test.cpp, hook_deliver.cpp
int hook_install(Context&);
int hook_test(Context&);
int hook_deliver(Context&);

}  // namespace belay::cli
