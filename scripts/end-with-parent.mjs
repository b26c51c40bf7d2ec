// Loaded into the program that run-unmask.mjs starts. That program has a process group of its own, so whoever kills
// the whole group of `npm start` does not reach it; it notices by the closed channel, and stops as on Ctrl+C.
process.once('disconnect', () => process.kill(process.pid, 'SIGINT'));
// The channel alone must not keep it running.
process.channel?.unref();
