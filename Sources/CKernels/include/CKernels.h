int CKernels(void);
