declare const __SAMPLE_SHA256__: string;
