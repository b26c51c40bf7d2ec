// The libraries of the queue. The build makes a bundle of its own of this file (`esbuild.mjs`), which is loaded only if workers are used.
export { Queue, Worker } from 'bullmq';
export { Redis } from 'ioredis';
