// Loaded into the program that run-unmask.mjs starts. That program has its own process group, so a signal to the group of
// `npm start` does not reach it. If the parent ends, the IPC channel closes, and the program stops as on Ctrl+C.
process.once('disconnect', () => process.kill(process.pid, 'SIGINT'));
// Without `unref`, the channel would keep the program running.
process.channel?.unref();
