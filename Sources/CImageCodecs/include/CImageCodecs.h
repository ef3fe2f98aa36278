int CImageCodecs(void);
