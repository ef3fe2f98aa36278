int CGraphProto(void);
