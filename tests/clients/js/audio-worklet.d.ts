/** What microphone-worklet.js uses of the Web Audio API. TypeScript has no types for worklets. */

declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}

declare function registerProcessor(
  name: string,
  processor: new (options: {
    processorOptions: { channels: number; chunkFrames: number };
  }) => AudioWorkletProcessor,
): void;
