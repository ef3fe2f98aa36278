int CImageCodecs(void){return 0;}
